import type { Alias } from "@cellway/silo";
import { expect, test } from "@jest/globals";
import { readCategory } from "./selection.js";
import { contentSource } from "./test-support.js";

const sources = new Map([[1, contentSource(1)]]);
const { content } = contentSource(1).category;
const RENAMED: readonly Alias[] = [
  { kind: "OUTBOX_CATEGORY", old: "OldThing", current: content.name, phase: "BOTH", until: "Nobody asks for it." },
];

test("a category is found by its number, by its names and by an old one", () => {
  for (const name of ["1", content.name, content.typeName, "OldThing"])
    expect(readCategory(name, sources, RENAMED)).toBe(1);
  expect(() => readCategory("OldThing", sources, [])).toThrow("is none of");
});
