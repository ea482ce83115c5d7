import { ConfigError } from "@cellway/silo";
import { describe, expect, it } from "@jest/globals";
import {
  createCellKeyRing,
  createMasterKeyRing,
  deriveCellKey,
  deriveEdgeKey,
  formatKeys,
  parseKeys,
  type SigningKey,
} from "./keys.js";

function createKey(id: string, fill: number, bytes = 32): SigningKey {
  return { id, secret: new Uint8Array(bytes).fill(fill) };
}

const OLD = createKey("old", 1);
const NEW = createKey("new", 2);
const hex = (key: SigningKey | undefined) => (key === undefined ? "no key" : Buffer.from(key.secret).toString("hex"));

describe("the key of a cell", () => {
  it("is the same wherever it is derived, and keeps the id of its master", () => {
    expect(deriveCellKey(OLD, "us1")).toEqual(deriveCellKey(OLD, "us1"));
    expect(deriveCellKey(OLD, "us1").id).toBe("old");
    expect(deriveCellKey(OLD, "us1").secret).toHaveLength(32);
  });

  it("differs from that of every other cell, from its master and from that of another master", () => {
    const keys = [
      deriveCellKey(OLD, "us1"),
      deriveCellKey(OLD, "us2"),
      deriveCellKey(OLD, "de1"),
      deriveCellKey(NEW, "us1"),
      OLD,
      NEW,
    ];
    expect(new Set(keys.map(hex)).size).toBe(keys.length);
  });

  it("never changes from one version of Cellway to the next: deployments hold it", () => {
    expect(hex(deriveCellKey(OLD, "us1"))).toBe("271b14396416f0d93ebb297f40894dfe130cecf63289452ddb4cace24c7e015b");
  });
});

describe("the key of a process at the edge", () => {
  it("is no cell's, also not that of a cell of the same name, and never changes from one version to the next", () => {
    const keys = [deriveEdgeKey(OLD, "edge:us1"), deriveEdgeKey(OLD, "edge:us2"), deriveCellKey(OLD, "us1"), OLD];
    expect(new Set(keys.map(hex)).size).toBe(keys.length);
    expect(hex(deriveEdgeKey(OLD, "edge:us1"))).toBe(
      "7fe6933a3b84218eeff03e819f9bf29f5f35f2a5e11cf2df357b9f7c80dc5f0e",
    );
  });

  it("is the one that control verifies its calls with, and there is none for calls to a cell", () => {
    const ring = createMasterKeyRing([OLD]);
    expect(ring.keysBetween("edge:us1", "control")).toEqual([deriveEdgeKey(OLD, "edge:us1")]);
    expect(ring.keysBetween("edge:us1", "us1")).toEqual([]);
    const own = createCellKeyRing("edge:us1", [deriveEdgeKey(OLD, "edge:us1")]);
    expect(own.keysBetween("edge:us1", "control")).toHaveLength(1);
    expect(own.keysBetween("edge:us1", "us1")).toEqual([]);
  });
});

describe("the ring of control", () => {
  const ring = createMasterKeyRing([NEW, OLD]);

  it("holds the same keys as a cell, for calls in both directions, in the order of the masters", () => {
    const keys = [deriveCellKey(NEW, "us1"), deriveCellKey(OLD, "us1")];
    expect(ring.keysBetween("control", "us1")).toEqual(keys);
    expect(ring.keysBetween("us1", "control")).toEqual(keys);
  });

  it("never gives out a master itself", () => {
    for (const [caller, audience] of [
      ["control", "us1"],
      ["us1", "control"],
      ["control", "control"],
      ["monolith", "monolith"],
    ] as const) {
      for (const key of ring.keysBetween(caller, audience)) expect([hex(OLD), hex(NEW)]).not.toContain(hex(key));
    }
  });

  it("has no key for calls between two cells, nor from a cell to itself", () => {
    expect(ring.keysBetween("us1", "de1")).toEqual([]);
    expect(ring.keysBetween("us1", "us1")).toEqual([]);
  });

  it("counts a monolith as control", () => {
    expect(ring.keysBetween("monolith", "us1")).toEqual(ring.keysBetween("control", "us1"));
  });

  it("uses what it is replaced with from then on, also for cells that it knows", () => {
    const replaced = createMasterKeyRing([OLD]);
    expect(replaced.keysBetween("control", "us1")).toEqual([deriveCellKey(OLD, "us1")]);
    replaced.replace([NEW]);
    expect(replaced.keysBetween("control", "us1")).toEqual([deriveCellKey(NEW, "us1")]);
  });

  it("does not change when the list that it was made from does", () => {
    const list = [OLD];
    const made = createMasterKeyRing(list);
    list.push(NEW);
    expect(made.keysBetween("control", "us1")).toHaveLength(1);
  });

  it("derives a key once while it is in use, and forgets after many names: they come from strangers", () => {
    const bounded = createMasterKeyRing([OLD]);
    const first = bounded.keysBetween("control", "us1");
    expect(bounded.keysBetween("us1", "control")).toBe(first);
    // The memory cannot be seen from outside; that a known entry is made anew shows that it was dropped.
    for (let index = 0; index < 2_048; index += 1) bounded.keysBetween(`x${index}`, "control");
    const again = bounded.keysBetween("control", "us1");
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });
});

describe("the ring of a cell", () => {
  const key = deriveCellKey(OLD, "us1");
  const ring = createCellKeyRing("us1", [key]);

  it.each([
    ["us1", "control"],
    ["control", "us1"],
    ["us1", "monolith"],
    ["monolith", "us1"],
  ])("holds its key for calls from %s to %s", (caller, audience) => {
    expect(ring.keysBetween(caller, audience)).toEqual([key]);
  });

  it.each([
    ["us1", "de1"],
    ["de1", "us1"],
    ["de1", "control"],
    ["control", "de1"],
    ["us1", "us1"],
    ["control", "control"],
    ["monolith", "control"],
    ["us2", "de1"],
  ])("holds no key for calls from %s to %s", (caller, audience) => {
    expect(ring.keysBetween(caller, audience)).toEqual([]);
  });

  it("uses what it is replaced with from then on", () => {
    const replaced = createCellKeyRing("us1", [key]);
    replaced.replace([deriveCellKey(NEW, "us1"), key]);
    expect(replaced.keysBetween("us1", "control").map(({ id }) => id)).toEqual(["new", "old"]);
    replaced.replace([deriveCellKey(NEW, "us1")]);
    expect(replaced.keysBetween("us1", "control").map(({ id }) => id)).toEqual(["new"]);
  });
});

describe("keys as text", () => {
  const encode = (fill: number, bytes = 32) => Buffer.alloc(bytes, fill).toString("base64");

  it("survive being written and read again, in order", () => {
    expect(parseKeys(formatKeys([NEW, OLD]), "KEYS")).toEqual([NEW, OLD]);
  });

  it("may be written over several lines", () => {
    expect(parseKeys(`new:${encode(2)},\n  old:${encode(1)}\n`, "KEYS")).toEqual([NEW, OLD]);
  });

  it.each([
    ["nothing", "", /at least one key/],
    ["only separators", " ,\n", /at least one key/],
    ["a short secret", `k1:${encode(9, 31)}`, /\[0\] = "k1".*at least 32 bytes/],
    ["no secret", "k1:", /\[0\] = "k1".*at least 32 bytes/],
    ["one word, which may be the secret itself", "0123456789abcdef", /\[0\] = "\(hidden\)".*id:base64/],
    ["no id", `:${encode(9)}`, /\[0\] = "\(hidden\)".*id:base64/],
    ["an id with a dot", `k.1:${encode(9)}`, /\[0\].*id of 1 to 32 characters/],
    ["an id of 33 characters", `${"k".repeat(33)}:${encode(9)}`, /\[0\].*id of 1 to 32 characters/],
    ["a second entry without an id", `k1:${encode(1)},${encode(9)}`, /\[1\].*id:base64/],
    ["two keys of one id", `k1:${encode(1)},k1:${encode(9)}`, /\[1\] = "k1".*ids must differ/],
    ["id and secret swapped", `${encode(9)}:k1`, /\[0\].*id:base64/],
  ])("that hold %s are refused by source, position and rule, without the secret", (_what, text, rule) => {
    let message = "";
    try {
      parseKeys(text, "CELLWAY_RPC_KEYS");
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      message = (error as ConfigError).message + JSON.stringify(error);
    }
    expect(message).toMatch(/^CELLWAY_RPC_KEYS/);
    expect(message).toMatch(rule);
    for (const secret of [encode(9), encode(9, 31), encode(1)]) expect(message).not.toContain(secret.slice(0, 8));
  });
});
