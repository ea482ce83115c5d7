import { createMetrics } from "@cellway/telemetry";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { createRpcError, errorMetadataOf, isUnsent, markUnsent, reasonOf } from "../errors.js";
import { DEFAULT_LIMITS } from "../settings.js";
import { createPeer, type Peer, whyRepeatable } from "./peer.js";

const LIMITS = {
  ...DEFAULT_LIMITS,
  inFlightMax: 3,
  circuitWindowMs: 1_000,
  circuitMinCallsPerSecond: 2,
  circuitProbeMs: 500,
  circuitProbeMaxMs: 1_500,
};
const metrics = createMetrics({ silo: "control" });
const createUs1 = () => createPeer("us1", LIMITS, metrics);

const unavailable = () => Promise.reject(new ConnectError("down", Code.Unavailable));
const answer = () => Promise.resolve("answer");

/** What became of an attempt: its answer, the runtime's reason, or the name of its code. */
async function outcomeOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.catch(
    (error: unknown) => reasonOf(error) ?? (error instanceof ConnectError ? Code[error.code] : error),
  );
}

async function open(peer: Peer): Promise<void> {
  for (let call = 0; call < 100 && (await outcomeOf(peer.run(unavailable))) !== "CIRCUIT_OPEN"; call += 1);
}

/** An attempt that ends when it is told to. */
function createHeld() {
  let end: { resolve(value: string): void; reject(error: Error): void } = { resolve: () => {}, reject: () => {} };
  let started = 0;
  const attempt = () => {
    started += 1;
    return new Promise<string>((resolve, reject) => (end = { resolve, reject }));
  };
  return {
    attempt,
    resolve: (value: string) => end.resolve(value),
    reject: (error: Error) => end.reject(error),
    started: () => started,
  };
}

const circuitState = () => metrics.value("cellway_rpc_client_circuit_state", { destination: "us1" });

beforeEach(() => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

describe("an attempt", () => {
  it("gives its answer or its own error", async () => {
    const peer = createUs1();
    const error = new ConnectError("no", Code.NotFound);
    expect(await peer.run(answer)).toBe("answer");
    await expect(peer.run(() => Promise.reject(error))).rejects.toBe(error);
  });
});

describe("the circuit", () => {
  it("opens after failures, and then fails at once without an attempt", async () => {
    const peer = createUs1();
    await open(peer);
    const attempt = jest.fn(answer);
    const error: unknown = await peer.run(attempt).catch((thrown: unknown) => thrown);
    expect(attempt).not.toHaveBeenCalled();
    expect(error).toMatchObject({ code: Code.Unavailable });
    expect([reasonOf(error), errorMetadataOf(error), isUnsent(error)]).toEqual(["CIRCUIT_OPEN", { silo: "us1" }, true]);
    expect((error as ConnectError).rawMessage).toContain("us1");
    expect(await circuitState()).toBe(2);
  });

  it("opens for calls that time out as well", async () => {
    const peer = createUs1();
    const slow = () => Promise.reject(new ConnectError("late", Code.DeadlineExceeded));
    for (let call = 0; call < 20; call += 1) await outcomeOf(peer.run(slow));
    expect(await outcomeOf(peer.run(answer))).toBe("CIRCUIT_OPEN");
  });

  it.each(
    [
      Code.Canceled,
      Code.InvalidArgument,
      Code.NotFound,
      Code.AlreadyExists,
      Code.PermissionDenied,
      Code.Unauthenticated,
      Code.FailedPrecondition,
      Code.Aborted,
      Code.ResourceExhausted,
      Code.Unimplemented,
      Code.Internal,
      Code.Unknown,
    ].map((code) => [Code[code], code] as const),
  )("never opens for answers that say %s: they are the call's fault, not the silo's", async (_name, code) => {
    const peer = createUs1();
    for (let call = 0; call < 50; call += 1)
      await outcomeOf(peer.run(() => Promise.reject(new ConnectError("no", code))));
    expect(await peer.run(answer)).toBe("answer");
    expect(await circuitState()).toBe(0);
  });

  it("never opens for a method that an operator switched off there", async () => {
    const peer = createUs1();
    for (let call = 0; call < 50; call += 1)
      await outcomeOf(peer.run(() => Promise.reject(createRpcError(Code.Unavailable, "METHOD_DISABLED", "off"))));
    expect(await peer.run(answer)).toBe("answer");
  });

  it("never opens for a small share of failures", async () => {
    const peer = createUs1();
    for (let call = 0; call < 100; call += 1) {
      await outcomeOf(peer.run(call % 4 === 0 ? unavailable : answer));
      jest.advanceTimersByTime(20);
    }
    expect(await peer.run(answer)).toBe("answer");
  });

  it("lets exactly one probe through after its pause; whoever comes meanwhile does not wait for it", async () => {
    const peer = createUs1();
    await open(peer);
    jest.advanceTimersByTime(LIMITS.circuitProbeMs - 1);
    expect(await outcomeOf(peer.run(answer))).toBe("CIRCUIT_OPEN");
    jest.advanceTimersByTime(1);
    const held = createHeld();
    const probe = peer.run(held.attempt);
    const others = await Promise.all([1, 2, 3, 4, 5].map(() => outcomeOf(peer.run(held.attempt))));
    expect(others).toEqual(Array(5).fill("CIRCUIT_OPEN"));
    expect(held.started()).toBe(1);
    expect(await circuitState()).toBe(1);
    held.resolve("answer");
    expect(await probe).toBe("answer");
  });

  it("closes after a probe that was answered", async () => {
    const peer = createUs1();
    await open(peer);
    jest.advanceTimersByTime(LIMITS.circuitProbeMs);
    expect(await peer.run(answer)).toBe("answer");
    expect(await Promise.all([peer.run(answer), peer.run(answer), peer.run(answer)])).toEqual(Array(3).fill("answer"));
    expect(await circuitState()).toBe(0);
  });

  it("closes after a probe whose answer was an error of the call: the silo is there", async () => {
    const peer = createUs1();
    await open(peer);
    jest.advanceTimersByTime(LIMITS.circuitProbeMs);
    expect(await outcomeOf(peer.run(() => Promise.reject(new ConnectError("no", Code.NotFound))))).toBe("NotFound");
    expect(await peer.run(answer)).toBe("answer");
  });

  it("waits twice as long after each probe that failed, up to its maximum, and recovers by itself", async () => {
    const peer = createUs1();
    await open(peer);
    for (const pauseMs of [500, 1_000, 1_500, 1_500]) {
      jest.advanceTimersByTime(pauseMs - 1);
      expect(await outcomeOf(peer.run(unavailable))).toBe("CIRCUIT_OPEN");
      jest.advanceTimersByTime(1);
      expect(await outcomeOf(peer.run(unavailable))).toBe("Unavailable");
      expect(await outcomeOf(peer.run(unavailable))).toBe("CIRCUIT_OPEN");
    }
    jest.advanceTimersByTime(LIMITS.circuitProbeMaxMs);
    expect(await peer.run(answer)).toBe("answer");
  });

  it("to one silo says nothing about another", async () => {
    await open(createUs1());
    expect(await createPeer("us2", LIMITS, metrics).run(answer)).toBe("answer");
  });
});

describe("the concurrency limit", () => {
  it("lets so many calls through and refuses the next at once, without an attempt", async () => {
    const peer = createUs1();
    const held = [createHeld(), createHeld(), createHeld()];
    const calls = held.map(({ attempt }) => peer.run(attempt));
    const attempt = jest.fn(answer);
    const error: unknown = await peer.run(attempt).catch((thrown: unknown) => thrown);
    expect(attempt).not.toHaveBeenCalled();
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect([reasonOf(error), errorMetadataOf(error), isUnsent(error)]).toEqual([
      "CONCURRENCY_LIMIT",
      { silo: "us1" },
      true,
    ]);
    for (const { resolve } of held) resolve("answer");
    expect(await Promise.all(calls)).toEqual(Array(3).fill("answer"));
  });

  it("has room again after every call that ended, well or badly", async () => {
    const peer = createUs1();
    const held = [createHeld(), createHeld(), createHeld()];
    const calls = held.map(({ attempt }) => outcomeOf(peer.run(attempt)));
    held[0]?.resolve("answer");
    held[1]?.reject(new ConnectError("no", Code.NotFound));
    await Promise.all(calls.slice(0, 2));
    expect(await Promise.all([peer.run(answer), peer.run(answer)])).toEqual(["answer", "answer"]);
    held[2]?.resolve("answer");
    await calls[2];
  });

  it("is not used up by calls that an open circuit refused", async () => {
    const peer = createUs1();
    await open(peer);
    for (let call = 0; call < 20; call += 1) expect(await outcomeOf(peer.run(answer))).toBe("CIRCUIT_OPEN");
    jest.advanceTimersByTime(LIMITS.circuitProbeMs);
    expect(await peer.run(answer)).toBe("answer");
  });

  it("does not open the circuit", async () => {
    const peer = createUs1();
    const held = [createHeld(), createHeld(), createHeld()];
    const calls = held.map(({ attempt }) => peer.run(attempt));
    for (let call = 0; call < 50; call += 1) expect(await outcomeOf(peer.run(answer))).toBe("CONCURRENCY_LIMIT");
    for (const { resolve } of held) resolve("answer");
    await Promise.all(calls);
    expect(await peer.run(answer)).toBe("answer");
  });
});

describe("whether an attempt may be repeated", () => {
  const down = () => new ConnectError("down", Code.Unavailable);

  it.each([
    ["one that surely never arrived, whatever the method", markUnsent(down()), false, "unsent"],
    ["one that may have arrived, of a method that is safe to repeat", down(), true, "unavailable"],
    ["one that may have arrived, of any other method", down(), false, undefined],
    [
      "one that an open circuit refused",
      markUnsent(createRpcError(Code.Unavailable, "CIRCUIT_OPEN", "open")),
      true,
      undefined,
    ],
    [
      "one beyond the concurrency limit",
      markUnsent(createRpcError(Code.ResourceExhausted, "CONCURRENCY_LIMIT", "full")),
      true,
      undefined,
    ],
    [
      "one that was too large to send",
      markUnsent(createRpcError(Code.ResourceExhausted, "BODY_TOO_LARGE", "large")),
      true,
      undefined,
    ],
    [
      "one of a method that is switched off",
      createRpcError(Code.Unavailable, "METHOD_DISABLED", "off"),
      true,
      undefined,
    ],
    ["one whose time is over", new ConnectError("late", Code.DeadlineExceeded), true, undefined],
    ["one that was cancelled", new ConnectError("gone", Code.Canceled), true, undefined],
    ["one that met a bug", new ConnectError("internal error", Code.Internal), true, undefined],
    ["one that failed on no ConnectError", new Error("bug"), true, undefined],
  ] as const)("%s", (_what, error, repeatable, why) => {
    expect(whyRepeatable(error, repeatable)).toBe(why);
  });
});
