import { reasonOf } from "@cellway/rpc";
import { expect, test } from "@jest/globals";
import { createPasswordHasher, DEFAULT_PASSWORD_HASHING } from "./password-hasher.js";

/** Cheap, so that tests are about bounds and not about time. */
const CHEAP = { ...DEFAULT_PASSWORD_HASHING, costLog2: 10, passes: 1 };
const busy = (error: unknown) => reasonOf(error);

test("a password is the one of its own hash only, whichever way its characters are composed, and two hashes differ", async () => {
  const hasher = createPasswordHasher(CHEAP);
  const [stored, again] = [await hasher.hash("caf\u00e9 au lait"), await hasher.hash("caf\u00e9 au lait")];
  expect(stored).toMatch(/^\$scrypt\$ln=10,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(stored).not.toBe(again);
  expect(await hasher.verify("cafe\u0301 au lait", stored)).toEqual({ isRight: true, isOutdated: false });
  expect(await hasher.verify("cafe au lait", stored)).toEqual({ isRight: false, isOutdated: false });
});

test("a hash of other parameters is checked by those, and said to be outdated", async () => {
  const stored = await createPasswordHasher(CHEAP).hash("correct horse");
  const hasher = createPasswordHasher({ ...CHEAP, costLog2: 11 });
  expect(await hasher.verify("correct horse", stored)).toEqual({ isRight: true, isOutdated: true });
  expect(await hasher.verify("wrong horse", stored)).toEqual({ isRight: false, isOutdated: true });
});

test("where there is no hash no password is right, and it costs as much to say so", async () => {
  const hasher = createPasswordHasher();
  const stored = await hasher.hash("correct horse");
  const timeOf = async (hash: string | undefined) => {
    const startedAt = performance.now();
    expect((await hasher.verify("wrong horse", hash)).isRight).toBe(false);
    return performance.now() - startedAt;
  };
  // The least of several is what the work costs; the rest is the machine.
  const times = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 4; round += 1) {
    times.known = Math.min(times.known, await timeOf(stored));
    times.unknown = Math.min(times.unknown, await timeOf(undefined));
  }
  expect(times.unknown / times.known).toBeGreaterThan(0.5);
  expect(times.unknown / times.known).toBeLessThan(2);
});

test("a hash that nobody can read is an error, not a wrong password", async () => {
  await expect(createPasswordHasher(CHEAP).verify("x", "$scrypt$ln=10,r=8,p=1$short")).rejects.toThrow("be read");
});

test("beyond those that run and those that wait, one more is refused at once, and all others are served", async () => {
  const hasher = createPasswordHasher({ ...CHEAP, concurrency: 2, waitingMax: 3 });
  const outcomes = Promise.allSettled(Array.from({ length: 8 }, () => hasher.hash("correct horse")));
  expect(hasher.countWaiting()).toBe(3);
  const settled = await outcomes;
  const refused = settled.flatMap((outcome) => (outcome.status === "rejected" ? [busy(outcome.reason)] : []));
  expect(refused).toEqual(Array(3).fill("PASSWORD_CHECKS_BUSY"));
  expect(hasher.countWaiting()).toBe(0);
  // Turns were given back: as many can run and wait as before.
  await Promise.all(Array.from({ length: 5 }, () => hasher.hash("correct horse")));
});

test("one that waits for too long is refused, and takes no turn afterwards", async () => {
  const hasher = createPasswordHasher({ ...CHEAP, costLog2: 16, concurrency: 1, waitMaxMs: 1 });
  const [first, second] = await Promise.allSettled([hasher.hash("one"), hasher.hash("two")]);
  expect([first.status, second.status === "rejected" && busy(second.reason)]).toEqual([
    "fulfilled",
    "PASSWORD_CHECKS_BUSY",
  ]);
  expect(hasher.countWaiting()).toBe(0);
  await hasher.hash("three");
});
