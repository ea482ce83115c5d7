import { Code, type ConnectError, type HandlerContext } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { currentCall } from "../context.js";
import { reasonOf } from "../errors.js";
import { createMonolith, failure, never } from "./test-support.js";

describe("the deadline of a local call", () => {
  const NOW_MS = 1_800_000_000_000;
  beforeEach(() => {
    jest.useFakeTimers({ now: NOW_MS });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  /** Notes when a promise settles, by the fake clock. */
  function note(promise: Promise<unknown>) {
    const noted: { afterMs?: number; error?: unknown } = {};
    const settle = (error?: unknown) => Object.assign(noted, { afterMs: Date.now() - NOW_MS, error });
    promise.then(() => settle(), settle);
    return noted;
  }

  it("ends the wait for an implementation that does not answer, at most 20 ms late", async () => {
    const { local } = createMonolith({ local: { get: never } });
    const noted = note(local.get({ cell: "us1" }, { timeoutMs: 300 }));
    await jest.advanceTimersByTimeAsync(299);
    expect(noted.afterMs).toBeUndefined();
    await jest.advanceTimersByTimeAsync(500);
    expect(noted.error).toMatchObject({ code: Code.DeadlineExceeded });
    expect((noted.error as ConnectError).rawMessage).toContain("local.Get");
    expect(reasonOf(noted.error)).toBe("DEADLINE_EXCEEDED");
    expect(noted.afterMs).toBeGreaterThanOrEqual(300);
    expect(noted.afterMs).toBeLessThanOrEqual(340);
  });

  it.each([
    ["the contract's", "central", "get", 2_000],
    ["5 s when the contract says nothing", "central", "find", 5_000],
  ] as const)("is %s when the caller says nothing", async (_what, service, method, timeoutMs) => {
    const monolith = createMonolith({ central: { get: never, find: never } });
    const noted = note(monolith[service][method]({}));
    await jest.advanceTimersByTimeAsync(timeoutMs - 1);
    expect(noted.afterMs).toBeUndefined();
    await jest.advanceTimersByTimeAsync(50);
    expect(noted.error).toMatchObject({ code: Code.DeadlineExceeded });
  });

  it("is told to the implementation, through its signal and its time left", async () => {
    let context: HandlerContext | undefined;
    const { local } = createMonolith({
      local: {
        get(_request, given) {
          context = given;
          // A signal is made when somebody asks for it.
          expect(given.signal.aborted).toBe(false);
          return never();
        },
      },
    });
    note(local.get({ cell: "us1" }, { timeoutMs: 300 }));
    await jest.advanceTimersByTimeAsync(100);
    expect(context?.timeoutMs()).toBe(200);
    expect(context?.signal.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(250);
    expect(context?.timeoutMs()).toBe(0);
    expect(context?.signal.aborted).toBe(true);
  });

  it("leaves no answer or error of a late implementation behind", async () => {
    const later = (settle: () => void) => setTimeout(settle, 1_000);
    const { local, central } = createMonolith({
      local: { get: () => new Promise((resolve) => later(() => resolve({ names: ["late"] }))) },
      central: { get: () => new Promise((_resolve, reject) => later(() => reject(new Error("late")))) },
    });
    const noted = [note(local.get({ cell: "us1" }, { timeoutMs: 100 })), note(central.get({}, { timeoutMs: 100 }))];
    await jest.advanceTimersByTimeAsync(5_000);
    for (const { error, afterMs } of noted)
      expect([(error as ConnectError).code, (afterMs ?? 0) < 200]).toEqual([Code.DeadlineExceeded, true]);
  });

  it("leaves no timer running once everything has been answered", async () => {
    const { local } = createMonolith({
      local: { get: async (_request, { signal }) => ({ names: [String(signal.aborted)] }) },
    });
    expect((await local.get({ cell: "us1" })).names).toEqual(["false"]);
    // Long before the deadline of 5 s, after which no timer would be left either.
    await jest.advanceTimersByTimeAsync(100);
    expect(jest.getTimerCount()).toBe(0);
  });

  it("of a nested call is what is left of the outer one, or less when it asks for less", async () => {
    const seen: (number | undefined)[] = [];
    const monolith = createMonolith({
      central: {
        async get() {
          await new Promise((resolve) => setTimeout(resolve, 400));
          await monolith.local.get({ cell: "us1" }, { timeoutMs: 60_000 });
          await monolith.local.get({ cell: "us1" }, { timeoutMs: 100 });
          return {};
        },
      },
      local: {
        get(_request, context) {
          seen.push(context.timeoutMs());
          expect(currentCall()?.deadlineAtMs).toBe(Date.now() + (context.timeoutMs() ?? 0));
          return {};
        },
      },
    });
    const noted = note(monolith.central.get({}, { timeoutMs: 1_000 }));
    await jest.advanceTimersByTimeAsync(500);
    expect(noted).toEqual({ afterMs: 400, error: undefined });
    expect(seen).toEqual([600, 100]);
  });
});

describe("cancellation of a local call", () => {
  it("reaches the implementation's signal with its reason", async () => {
    const controller = new AbortController();
    const told: unknown[] = [];
    const { local } = createMonolith({
      local: {
        get: (_request, { signal }) =>
          new Promise(() => signal.addEventListener("abort", () => told.push(signal.reason))),
      },
    });
    const call = failure(local.get({ cell: "us1" }, { signal: controller.signal }));
    controller.abort("gone");
    expect(await call).toMatchObject({ code: Code.Canceled });
    expect(told).toEqual(["gone"]);
  });

  it("reaches the implementation of a nested call", async () => {
    const controller = new AbortController();
    let isInside = () => {};
    let wasTold = false;
    const inside = new Promise<void>((resolve) => (isInside = resolve));
    const monolith = createMonolith({
      central: { get: () => monolith.local.get({ cell: "us1" }) },
      local: {
        get: (_request, { signal }) =>
          new Promise(() => {
            signal.addEventListener("abort", () => {
              wasTold = true;
            });
            isInside();
          }),
      },
    });
    const call = failure(monolith.central.get({}, { signal: controller.signal }));
    await inside;
    controller.abort();
    expect(await call).toMatchObject({ code: Code.Canceled });
    expect(wasTold).toBe(true);
  });
});
