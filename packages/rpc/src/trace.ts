import { randomFillSync } from "node:crypto";

/** The W3C header with the trace context. */
export const TRACEPARENT_HEADER = "traceparent";

const pool = Buffer.alloc(24 * 256);
let offset = pool.byteLength;

/** A new, unsampled root: `00-<trace id>-<span id>-00`. */
export function createTraceparent(): string {
  if (offset === pool.byteLength) {
    randomFillSync(pool);
    offset = 0;
  }
  const trace = pool.toString("hex", offset, offset + 16);
  const span = pool.toString("hex", offset + 16, offset + 24);
  offset += 24;
  return `00-${trace}-${span}-00`;
}

/** `header` when it is a trace context, else a new root. */
export function adoptTraceparent(header: string | null): string {
  return header !== null && /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(header) ? header : createTraceparent();
}

/** The trace id inside a trace context. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}
