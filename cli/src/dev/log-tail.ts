import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const TAIL_MAX_BYTES = 64 * 1024;

/**
 * The last lines of a log file, written at or after `fromByte`; empty when there is no such file. A line of JSON, as
 * our logger writes it, is shortened to what a person needs.
 */
export function readLogTail(path: string, options: { fromByte: number; linesMax: number }): string[] {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(file);
    const start = Math.max(options.fromByte, size - TAIL_MAX_BYTES, 0);
    const buffer = Buffer.alloc(Math.max(size - start, 0));
    readSync(file, buffer, 0, buffer.byteLength, start);
    const lines = buffer
      .toString("utf8")
      .split("\n")
      .filter((line) => line.trim() !== "");
    return lines.slice(-options.linesMax).map(shortenLine);
  } finally {
    closeSync(file);
  }
}

function shortenLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  if (typeof entry["msg"] !== "string") return line;
  const { level, msg, reason, err } = entry as Partial<Record<"level" | "msg" | "reason", string>> & {
    err?: { message?: string };
  };
  const why = err?.message ?? reason;
  return `${level}: ${msg}${why === undefined ? "" : ` (${why})`}`;
}
