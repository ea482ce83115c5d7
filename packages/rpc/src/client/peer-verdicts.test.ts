import { createMetrics } from "@cellway/telemetry";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { createRpcError, markUnsent, reasonOf } from "../errors.js";
import { DEFAULT_LIMITS } from "../settings.js";
import { createPeer, isPeerFailure } from "./peer.js";

const LIMITS = { ...DEFAULT_LIMITS, circuitWindowMs: 1_000, circuitProbeMs: 500, circuitProbeMaxMs: 1_500 };
const failWith = (error: unknown) => () => Promise.reject(error);
const unavailable = failWith(new ConnectError("down", Code.Unavailable));
const answer = () => Promise.resolve("answer");
const createUs1 = () => createPeer("us1", LIMITS, createMetrics({ silo: "control" }));

async function reasonAfter(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.catch((error: unknown) => reasonOf(error) ?? "no reason");
}

async function createOpen() {
  const peer = createUs1();
  for (let call = 0; (await reasonAfter(peer.run(unavailable))) !== "CIRCUIT_OPEN"; call += 1)
    if (call > 100) throw new Error("the circuit does not open");
  return peer;
}

const NEUTRAL: [string, unknown, number][] = [
  ["one that its caller abandoned", new ConnectError("gone", Code.Canceled), 5_000],
  ["one for which there is no key", markUnsent(createRpcError(Code.FailedPrecondition, "NO_KEY", "no")), 5_000],
  ["one that was too large to send", markUnsent(createRpcError(Code.ResourceExhausted, "LARGE", "no")), 5_000],
  ["one that met a bug of our own", new TypeError("bug"), 5_000],
  ["one that had no time", new ConnectError("late", Code.DeadlineExceeded), 100],
];

beforeEach(() => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

describe("an attempt that says nothing of the silo", () => {
  it.each(NEUTRAL)("%s: opens no circuit", async (_what, error, givenMs) => {
    const peer = createUs1();
    for (let call = 0; call < 50; call += 1) await reasonAfter(peer.run(failWith(error), givenMs));
    expect(await peer.run(answer)).toBe("answer");
  });

  it.each(NEUTRAL)(
    "%s: closes none either when it was the probe, and the next probe waits no longer",
    async (...row) => {
      const [, error, givenMs] = row;
      const peer = await createOpen();
      for (let probe = 0; probe < 4; probe += 1) {
        jest.advanceTimersByTime(LIMITS.circuitProbeMs);
        await expect(peer.run(failWith(error), givenMs)).rejects.toBe(error);
        expect(await reasonAfter(peer.run(answer))).toBe("CIRCUIT_OPEN");
      }
      jest.advanceTimersByTime(LIMITS.circuitProbeMs);
      expect(await peer.run(answer)).toBe("answer");
      expect(await peer.run(answer)).toBe("answer");
    },
  );

  it("does not thin out the failures among which it came", async () => {
    const peer = createUs1();
    const gone = failWith(new ConnectError("gone", Code.Canceled));
    for (let call = 0; call < 30; call += 1) {
      await reasonAfter(peer.run(call % 3 === 0 ? unavailable : gone));
    }
    expect(await reasonAfter(peer.run(answer))).toBe("CIRCUIT_OPEN");
  });
});

it("a call that began before the circuit opened does not close it", async () => {
  const peer = createUs1();
  let end = (_value: string) => {};
  const slow = peer.run(() => new Promise<string>((resolve) => (end = resolve)));
  for (let call = 0; call < 50; call += 1) await reasonAfter(peer.run(unavailable));
  end("late answer");
  expect(await slow).toBe("late answer");
  expect(await reasonAfter(peer.run(answer))).toBe("CIRCUIT_OPEN");
});

it("failures that are older than the window are forgotten", async () => {
  const peer = createPeer("us1", { ...LIMITS, circuitMinCallsPerSecond: 10 }, createMetrics({ silo: "control" }));
  for (let round = 0; round < 5; round += 1) {
    for (let call = 0; call < 9; call += 1) await reasonAfter(peer.run(unavailable));
    jest.advanceTimersByTime(LIMITS.circuitWindowMs);
  }
  expect(await peer.run(answer)).toBe("answer");
});

describe("what counts as a failure of the silo", () => {
  it("is to be unreachable or late, and nothing else", () => {
    const failures = Object.values(Code).filter(
      (code): code is Code => typeof code === "number" && isPeerFailure(new ConnectError("no", code)),
    );
    expect(failures.map((code) => Code[code]).sort()).toEqual(["DeadlineExceeded", "Unavailable"]);
    expect(isPeerFailure(new Error("bug"))).toBe(false);
    expect(isPeerFailure(undefined)).toBe(false);
  });

  it("is not to miss a deadline that left it little time", () => {
    const late = new ConnectError("late", Code.DeadlineExceeded);
    expect([0, 249, 250, 5_000].map((givenMs) => isPeerFailure(late, givenMs))).toEqual([false, false, true, true]);
  });
});
