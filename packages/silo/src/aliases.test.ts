import { expect, it } from "@jest/globals";
import { ALIASES, type Alias, currentNameOf, oldNamesOf } from "./aliases.js";

const RENAMED: readonly Alias[] = [
  { kind: "TASK", old: "a.old", current: "a.new", phase: "BOTH", until: "Nobody asks for it." },
  { kind: "TASK", old: "a.older", current: "a.new", phase: "BOTH", until: "Nobody asks for it." },
];

it("no name is old twice, and none that is old is anybody's current one", () => {
  const old = ALIASES.map((entry) => entry.old);
  expect(new Set(old).size).toBe(old.length);
  expect(ALIASES.filter(({ current }) => old.includes(current))).toEqual([]);
});

it("every alias says in a sentence what must be seen before the old name goes", () => {
  for (const { until } of ALIASES) expect(until).toMatch(/^[A-Z].{20,}\.$/);
});

it("an old name leads to the current one, of its own kind only, and whoever used it is told of", () => {
  const seen: string[] = [];
  const options = { aliases: RENAMED, onOld: (old: string) => void seen.push(old) };
  expect(currentNameOf("TASK", "a.old", options)).toBe("a.new");
  expect(currentNameOf("TASK", "a.new", options)).toBe("a.new");
  expect(currentNameOf("RPC_KEY", "a.old", options)).toBe("a.old");
  expect(seen).toEqual(["a.old"]);
});

it("a current name knows all its old ones", () => {
  expect(oldNamesOf("TASK", "a.new", RENAMED)).toEqual(["a.old", "a.older"]);
  expect(oldNamesOf("TASK", "b", RENAMED)).toEqual([]);
});
