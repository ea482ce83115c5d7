import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { DiskCopyError } from "../errors.js";
import type { RouteMemory } from "../route-memory.js";
import { wordsOf } from "../table/records.js";
import {
  DIGEST_BYTES,
  type DiskFooter,
  LENGTH_BYTES,
  MAGIC,
  MAGIC_BEFORE,
  type ReusedRecord,
  readKind,
  readRecord,
  readTextBytes,
  visitRecords,
} from "./format.js";

/** Bytes that are read at once; a record is much shorter. A copy of many routes is never in memory as a whole. */
export const PIECE_BYTES = 64 * 1_024;

/** A copy that is open. */
interface OpenCopy {
  readonly file: FileHandle;
  /** Where its digest begins. */
  readonly bodyEnd: number;
  /** Taken by each piece in turn. */
  readonly buffer: Buffer;
}

/**
 * Reads a copy, of this version or the one before, and puts its routes into an empty memory. Goes through the file three
 * times, piece by piece: its checksum, how much memory its routes need, and the routes.
 *
 * @returns how many organizations.
 * @throws DiskCopyError, before anything is put in, when the copy is damaged or was made for other localities.
 */
export async function readCopy(path: string, memory: RouteMemory, localities: readonly string[]): Promise<number> {
  const file = await open(path, "r");
  try {
    const bodyEnd = (await file.stat()).size - DIGEST_BYTES;
    const copy = { file, bodyEnd, buffer: Buffer.allocUnsafeSlow(PIECE_BYTES) };
    await assertWhole(copy);
    const footer = await readFooter(copy);
    if (JSON.stringify(footer.localities) !== JSON.stringify(localities))
      throw new DiskCopyError(`the copy is of the localities ${footer.localities.join(", ") || "of everybody"}`);
    memory.table.reserve(await countRecords(copy));
    for (const cell of footer.cells)
      memory.stateCell({ ...cell, httpAddress: cell.httpAddress ?? "", ingestAddress: cell.ingestAddress ?? "" });
    await readRoutes(copy, memory, footer);
    memory.feedId = footer.feedId;
    // Who wrote it may have passed over what the feed said of addresses: only a snapshot says it again.
    const isWhole = footer.cells.every((cell) => cell.httpAddress !== undefined && cell.ingestAddress !== undefined);
    memory.cursor = isWhole ? footer.cursor : "";
    memory.completeUntilMs = footer.completeUntilMs ?? undefined;
    memory.isComplete = true;
    return memory.table.count;
  } finally {
    await file.close();
  }
}

async function assertWhole({ file, bodyEnd, buffer }: OpenCopy): Promise<void> {
  if (bodyEnd < MAGIC.length + 1 + LENGTH_BYTES) throw new DiskCopyError("the copy is cut off");
  const magic = await readExactly(file, 0, MAGIC.length);
  if (!magic.equals(MAGIC) && !magic.equals(MAGIC_BEFORE)) throw new DiskCopyError("the file is no copy of routes");
  const hash = createHash("sha256");
  for (let at = 0; at < bodyEnd; ) {
    const piece = await readPiece({ file, bodyEnd, buffer }, at);
    hash.update(piece);
    at += piece.length;
  }
  if (!hash.digest().equals(await readExactly(file, bodyEnd, DIGEST_BYTES)))
    throw new DiskCopyError("the copy is damaged: its checksum is wrong");
}

async function readFooter({ file, bodyEnd }: OpenCopy): Promise<DiskFooter> {
  const lengthAt = bodyEnd - LENGTH_BYTES;
  const length = (await readExactly(file, lengthAt, LENGTH_BYTES)).readUInt32LE();
  if (length > lengthAt - MAGIC.length) throw new DiskCopyError("the copy is damaged: its footer has no beginning");
  return JSON.parse((await readExactly(file, lengthAt - length, length)).toString("utf8")) as DiskFooter;
}

async function countRecords(copy: OpenCopy) {
  const counts = { organization: 0, alias: 0, projectKey: 0, words: 0 };
  await visitPieces(copy, (piece, at) => {
    counts[readKind(piece, at)] += 1;
    counts.words += wordsOf(readTextBytes(piece, at));
  });
  return counts;
}

async function readRoutes(copy: OpenCopy, memory: RouteMemory, { cells }: DiskFooter): Promise<void> {
  const { table } = memory;
  const numbers = cells.map(({ name }) => memory.numberOf(name));
  const values = { epoch: 0, origin: "disk", learnedAtS: memory.nowS() } as const;
  const text = { bytes: copy.buffer, textAt: 0, textBytes: 0 };
  const record: ReusedRecord = { kind: "organization", cell: 0, low: 0, high: 0, ...values, ...text };
  await visitPieces(copy, (piece, at) => {
    readRecord(piece, at, record);
    if (record.kind === "organization") record.cell = numbers[record.cell] ?? memory.numberOf("");
    table.setPacked(record);
  });
  memory.version += 1;
}

/** Visits all records. @throws DiskCopyError when they do not end. */
async function visitPieces(copy: OpenCopy, callback: (piece: Buffer, at: number) => void): Promise<void> {
  for (let position = MAGIC.length; ; ) {
    const piece = await readPiece(copy, position);
    const { bytes, isEnd } = visitRecords(piece, (at) => callback(piece, at));
    if (isEnd) return;
    if (bytes === 0) throw new DiskCopyError("the copy is damaged: its records have no end");
    // What was cut off is read again with what follows it.
    position += bytes;
  }
}

/** The next bytes of the body, at least one. */
async function readPiece({ file, bodyEnd, buffer }: OpenCopy, position: number): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, bodyEnd - position), position);
  if (bytesRead === 0) throw new DiskCopyError("the copy is cut off");
  return buffer.subarray(0, bytesRead);
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) throw new DiskCopyError("the copy is cut off");
    at += bytesRead;
  }
  return bytes;
}
