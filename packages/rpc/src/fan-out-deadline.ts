import { Code, ConnectError } from "@connectrpc/connect";
import { createRpcError } from "./errors.js";

/**
 * Settles as `work` does, but no later than its time is over or `ended` aborts; then `work` is told through its signal and
 * may run on.
 *
 * @throws DEADLINE_EXCEEDED with the cell · CANCELED when it has ended.
 */
export function settleWithin<T>(
  limit: { readonly cell: string; readonly timeoutMs: number; readonly ended: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { cell, timeoutMs, ended } = limit;
  const own = new AbortController();
  const createEndedError = () => new ConnectError(`${cell} is not asked any more`, Code.Canceled);
  if (ended.aborted) return Promise.reject(createEndedError());
  return new Promise<T>((resolve, reject) => {
    const release = () => {
      clearTimeout(timer);
      ended.removeEventListener("abort", onEnd);
    };
    const stop = (error: ConnectError) => {
      release();
      reject(error);
      own.abort(error);
    };
    const onEnd = () => stop(createEndedError());
    const timer = setTimeout(() => stop(createCellDeadlineError(cell)), timeoutMs);
    ended.addEventListener("abort", onEnd, { once: true });
    Promise.resolve(own.signal).then(work).finally(release).then(resolve, reject);
  });
}

/** DEADLINE_EXCEEDED, with the cell. */
export function createCellDeadlineError(cell: string): ConnectError {
  const message = `Cell ${cell} did not answer in time.`;
  return createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", message, { metadata: { cell } });
}
