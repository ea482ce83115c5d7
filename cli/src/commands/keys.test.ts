import { deriveCellKey, deriveEdgeKey, formatKeys, parseKeys } from "@cellway/rpc";
import { expect, test } from "@jest/globals";
import { UsageError } from "../errors.js";
import { createTestContext } from "../test-context.js";
import { runKeysDerive, runKeysGenerate } from "./keys.js";

const MASTER = `k1:${Buffer.alloc(32, 7).toString("base64")}`;

test("a generated key is one that a silo can be given, and no two are the same", async () => {
  const ctx = createTestContext();
  await runKeysGenerate({}, ctx);
  await runKeysGenerate({ id: "2026-01" }, ctx);
  const keys = parseKeys(ctx.printed.out.join(","), "test");
  expect(keys.map((key) => key.secret.byteLength)).toEqual([32, 32]);
  expect(keys[1]?.id).toBe("2026-01");
  expect(keys[0]?.secret).not.toEqual(keys[1]?.secret);
});

test("an id that cannot be in a key is refused", async () => {
  await expect(runKeysGenerate({ id: "a:b" }, createTestContext())).rejects.toThrow(
    "--id a:b: must be 1 to 32 characters",
  );
});

test("a cell is given a key of its own, from each master key, in order", async () => {
  const ctx = createTestContext({ env: { CELLWAY_RPC_KEYS: `${MASTER},${MASTER.replace("k1", "k2")}` } });
  await runKeysDerive({ cell: "us1", json: true }, ctx);
  const { ids, keys } = JSON.parse(ctx.printed.out[0] ?? "") as { ids: string[]; keys: string };
  expect(ids).toEqual(["k1", "k2"]);
  const [master] = parseKeys(MASTER, "test");
  if (master === undefined) throw new Error("there is a master key");
  expect(keys.split(",")[0]).toBe(formatKeys([deriveCellKey(master, "us1")]));
});

test("a router is given a key of its own, and nobody is given one without being named", async () => {
  const ctx = createTestContext({ env: { CELLWAY_RPC_KEYS: MASTER } });
  await runKeysDerive({ edge: "us-router" }, ctx);
  const [master] = parseKeys(MASTER, "test");
  if (master === undefined) throw new Error("there is a master key");
  expect(ctx.printed.out).toEqual([formatKeys([deriveEdgeKey(master, "edge:us-router")])]);
  await expect(runKeysDerive({}, ctx)).rejects.toThrow("one of --cell and --edge");
  await expect(runKeysDerive({ cell: "us1", edge: "us-router" }, ctx)).rejects.toThrow("one of --cell and --edge");
  await expect(runKeysDerive({ edge: "edge:us" }, ctx)).rejects.toThrow("lower-case DNS label");
});

test.each(["control", "monolith", "US1", ""])("%j is not the name of a cell", async (cell) => {
  const ctx = createTestContext({ env: { CELLWAY_RPC_KEYS: MASTER } });
  await expect(runKeysDerive({ cell }, ctx)).rejects.toThrow(UsageError);
});

test("without keys it says where they may come from", async () => {
  await expect(runKeysDerive({ cell: "us1" }, createTestContext())).rejects.toThrow(
    "No fleet found: start one with `cellway dev`",
  );
});
