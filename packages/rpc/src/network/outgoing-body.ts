import type { Writable } from "node:stream";
import { createGoneError } from "./incoming-body.js";

/**
 * What is written at a time. node:http2 refuses new streams while more than `maxSessionMemory` waits to be written,
 * so a large response goes out in pieces, each when there is room for it.
 */
const PIECE_BYTES = 64 * 1024;

/** Writes as fast as the reader reads. @throws when the reader has gone. */
export async function writePieces(out: Writable, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.byteLength; start += PIECE_BYTES) {
    if (out.destroyed) throw createGoneError();
    const piece = bytes.byteLength <= PIECE_BYTES ? bytes : bytes.subarray(start, start + PIECE_BYTES);
    if (!out.write(piece)) await drained(out);
  }
}

/** Ends the stream; resolves when everything is written or the reader has gone. */
export function endStream(out: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (out.destroyed) {
      resolve();
      return;
    }
    out.once("close", resolve);
    out.end(resolve);
  });
}

/** Headers as node wants them. */
export function toHeaderRecord(header: Headers | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  header?.forEach((value, key) => {
    record[key] = value;
  });
  return record;
}

function drained(out: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    if (out.destroyed) {
      reject(createGoneError());
      return;
    }
    const onClose = () => {
      out.off("drain", onDrain);
      reject(createGoneError());
    };
    const onDrain = () => {
      out.off("close", onClose);
      resolve();
    };
    out.once("drain", onDrain);
    out.once("close", onClose);
  });
}
