import { describe, expect, it } from "@jest/globals";
import { createNonceMemory } from "./nonce-memory.js";

const WINDOW_MS = 1_000;

function createMemory(nonceMax = 1_000) {
  const clock = { nowMs: 50_000 };
  const told: number[] = [];
  const memory = createNonceMemory({
    windowMs: WINDOW_MS,
    nonceMax,
    onSize: (size) => told.push(size),
    now: () => clock.nowMs,
  });
  let turns = 0;
  /** Adds for one of two callers in turn, or for the one given. */
  const add = (nonce: string, caller = turns++ % 2 === 0 ? "control" : "eu1") => memory.add(nonce, caller);
  return { memory, add, clock, told };
}

describe("the nonce memory", () => {
  it("knows a nonce again, and takes it for fresh but once", () => {
    const { memory, add } = createMemory();
    expect([add("a"), add("a"), add("b"), add("a")]).toEqual(["fresh", "replayed", "fresh", "replayed"]);
    expect(memory.size).toBe(2);
  });

  it.each([0, 1, 499, 999, 1_000, 1_001, 1_999])(
    "remembers a nonce for the whole window when it came %i ms after the start",
    (offsetMs) => {
      const { add, clock } = createMemory();
      clock.nowMs += offsetMs;
      add("a");
      clock.nowMs += WINDOW_MS;
      expect(add("a")).toBe("replayed");
    },
  );

  it.each([1, 250, 333])("remembers it however often it is asked on the way, every %i ms", (stepMs) => {
    const { add, clock } = createMemory(100_000);
    add("a");
    for (let at = stepMs; at <= WINDOW_MS; at += stepMs) {
      clock.nowMs += stepMs;
      add(`other ${at}`);
      expect(add("a")).toBe("replayed");
    }
  });

  it("forgets a nonce 9/8 of a window after it came, and its place with it", () => {
    const { memory, add, clock } = createMemory();
    add("a");
    clock.nowMs += WINDOW_MS;
    add("b");
    clock.nowMs += WINDOW_MS / 8;
    expect(memory.size).toBe(1);
    expect(add("a")).toBe("fresh");
    expect(memory.size).toBe(2);
  });

  it("gives one caller half its places, and again when they are free, so that others have room", () => {
    const { memory, clock } = createMemory(4);
    const addAll = (caller: string) => ["a", "b", "c"].map((name) => memory.add(`${caller} ${name}`, caller));
    expect(addAll("us1")).toEqual(["fresh", "fresh", "full"]);
    expect(addAll("eu1")).toEqual(["fresh", "fresh", "full"]);
    clock.nowMs += (WINDOW_MS * 9) / 8;
    expect(addAll("us1")).toEqual(["fresh", "fresh", "full"]);
  });

  it("tells its size once a second while nonces come", () => {
    const { add, clock, told } = createMemory();
    for (let index = 0; index < 25; index += 1) {
      add(`n${index}`);
      clock.nowMs += 100;
    }
    expect(told).toEqual([1, 11, 11]);
  });

  it("forgets everything over a pause of several windows", () => {
    const { memory, add, clock } = createMemory();
    for (let index = 0; index < 100; index += 1) add(`n${index}`);
    clock.nowMs += 5 * WINDOW_MS;
    expect(add("n0")).toBe("fresh");
    expect(memory.size).toBe(1);
  });

  it("never remembers more than it may: then a nonce is refused, but one that is known still counts as replayed", () => {
    const { memory, add } = createMemory(3);
    for (const nonce of ["a", "b", "c"]) expect(add(nonce)).toBe("fresh");
    expect(add("d")).toBe("full");
    expect(add("d")).toBe("full");
    expect(add("a")).toBe("replayed");
    expect(memory.size).toBe(3);
  });

  it("counts all generations against the limit", () => {
    const { add, clock } = createMemory(3);
    add("a");
    add("b");
    clock.nowMs += WINDOW_MS;
    expect(add("c")).toBe("fresh");
    expect(add("d")).toBe("full");
  });

  it("has room again after the window", () => {
    const { add, clock } = createMemory(2);
    add("a");
    add("b");
    clock.nowMs += WINDOW_MS;
    expect(add("c")).toBe("full");
    clock.nowMs += WINDOW_MS / 8;
    expect(add("c")).toBe("fresh");
  });
});
