import { Code, ConnectError } from "@connectrpc/connect";
import type { CallContext } from "../context.js";
import type { MethodPolicy } from "../contract.js";
import { createRpcError } from "../errors.js";
import type { DeadlineWheel, Waiting } from "../network/deadline-wheel.js";

/** What a caller that gave up is told: its own reason, when that is one. */
export function createGoneError(signal: AbortSignal | undefined): ConnectError {
  return signal?.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("the caller has gone", Code.Canceled);
}

/** DEADLINE_EXCEEDED. */
export function createDeadlineError(policy: MethodPolicy): ConnectError {
  return createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", `${policy.name} did not answer in time.`, {
    metadata: { method: policy.name },
  });
}

/**
 * Settles with the result, or fails at the deadline or when the caller goes; the implementation is told through its
 * signal and may run on.
 */
export function raceEnd<T>(
  wheel: DeadlineWheel,
  call: CallContext,
  policy: MethodPolicy,
  result: Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const { signal } = call;
    const onAbort = () => {
      release();
      reject(createGoneError(signal));
    };
    const waiting: Waiting = {
      onDeadline() {
        release();
        reject(createDeadlineError(policy));
      },
    };
    const slot = wheel.add(call.deadlineAtMs, waiting);
    const release = () => {
      slot.delete(waiting);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    result.then(
      (value) => {
        release();
        resolve(value);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
  });
}
