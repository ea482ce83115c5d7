import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { pause } from "../follow-routes.js";
import type { RouteMemory } from "../route-memory.js";
import { bytesOfRecords, createHead, type DiskFooter, encodeFooter, encodeRecords } from "./format.js";

/** Routes that are encoded without a break: a few milliseconds. */
const RECORDS_AT_ONCE = 4_096;

/** How a copy is written. */
export interface WriteCopyOptions {
  readonly path: string;
  readonly localities: readonly string[];
  /** The most that is written in a second. */
  readonly bytesPerSecondMax: number;
  /** Gives the copy up. */
  readonly signal: AbortSignal;
}

/**
 * Writes what the memory holds beside `path`, and puts it in the place of what is there when it is whole and safe on the
 * disk: whoever reads `path` finds a whole copy, always.
 *
 * Routes may change while it is written. The copy says where the feed stood when it began, so that a reader who goes on
 * from there is told of everything that was missed.
 *
 * @returns the bytes of the copy; undefined when it was given up, because of the signal or because a snapshot began.
 */
export async function writeCopy(memory: RouteMemory, options: WriteCopyOptions): Promise<number | undefined> {
  const { feedId, cursor, completeUntilMs } = memory;
  const temporary = `${options.path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  let bytes: number;
  try {
    const writer = new PacedWriter(file, options);
    await writer.write(createHead());
    const into = Buffer.allocUnsafeSlow(bytesOfRecords(RECORDS_AT_ONCE));
    for (let from = 1; from !== 0; ) {
      const { bytes: filled, next } = encodeRecords(memory, { from, recordsMax: RECORDS_AT_ONCE, into });
      await writer.write(into.subarray(0, filled));
      if (options.signal.aborted || memory.isInSnapshot || memory.feedId !== feedId) return undefined;
      from = next;
    }
    const footer: DiskFooter = {
      localities: options.localities,
      feedId,
      cursor,
      completeUntilMs: completeUntilMs ?? null,
      cells: memory.listCells(),
    };
    await writer.write(encodeFooter(footer));
    bytes = await writer.finish();
  } finally {
    await file.close();
  }
  await rename(temporary, options.path);
  await syncFolder(dirname(options.path));
  return bytes;
}

class PacedWriter {
  private readonly hash: Hash = createHash("sha256");
  private readonly startedAtMs = performance.now();
  private written = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly options: WriteCopyOptions,
  ) {}

  async write(chunk: Buffer): Promise<void> {
    this.hash.update(chunk);
    await this.file.write(chunk);
    this.written += chunk.length;
    const dueMs = (this.written / this.options.bytesPerSecondMax) * 1_000;
    const aheadMs = dueMs - (performance.now() - this.startedAtMs);
    if (aheadMs > 1) await pause(aheadMs, this.options.signal);
  }

  /** @returns the bytes of the whole file. */
  async finish(): Promise<number> {
    const { bytesWritten } = await this.file.write(this.hash.digest());
    await this.file.sync();
    return this.written + bytesWritten;
  }
}

/** So that the new name, too, outlives a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
