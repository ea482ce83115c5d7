import type { CellStatement, RouteMemory } from "../route-memory.js";
import { TEXT_MAX_BYTES } from "../table/keys.js";
import { EPOCH_HIGH, EPOCH_LOW, ID_HIGH, ID_LOW, TEXT, TWO_32 } from "../table/records.js";
import type { PackedRecord } from "../table/route-table.js";

// A copy: the magic, records, a zero byte, the footer as JSON, its length in four bytes, and the SHA-256 of all before.
// A record: what it is of (1 byte), the text's length (1), the cell's number (2), the epoch (8), the id (8), the text.
export const MAGIC = Buffer.from("CWROUTE2");
/** Of the version before, which knew organizations alone: read as it is. What lacks, the feed brings in a snapshot. */
export const MAGIC_BEFORE = Buffer.from("CWROUTE1");
const END = 0;
const KINDS = { organization: 1, alias: 2, projectKey: 3 } as const;
const RECORD_BYTES = 20;
const RECORD_MAX_BYTES = RECORD_BYTES + TEXT_MAX_BYTES;
export const LENGTH_BYTES = 4;
export const DIGEST_BYTES = 32;

/** What later versions learned of cells. */
type LaterAddress = "httpAddress" | "ingestAddress";

/** What a copy says besides its routes. */
export interface DiskFooter {
  /** The localities that it was made for; empty for all. */
  readonly localities: readonly string[];
  readonly feedId: string;
  readonly cursor: string;
  readonly completeUntilMs: number | null;
  /** In the order of the numbers that records name. Written before an address of cells was known, it has none. */
  readonly cells: readonly (Omit<CellStatement, LaterAddress> & Partial<Pick<CellStatement, LaterAddress>>)[];
}

/** A record that another one is read into. */
export type ReusedRecord = { -readonly [Key in keyof PackedRecord]: PackedRecord[Key] };

/** The beginning of every copy. */
export function createHead(): Buffer {
  return Buffer.from(MAGIC);
}

/** Bytes that so many records may take when they are encoded. */
export function bytesOfRecords(records: number): number {
  // The text is written in whole words: behind the last one there is room for what fills up its word.
  return records * RECORD_MAX_BYTES + 3;
}

/**
 * Encodes routes from a place of the table on, at most `recordsMax`, into memory of {@link bytesOfRecords}. Makes no
 * objects: a table has millions of them.
 *
 * @returns the bytes that were filled, and where to go on; 0 at the end.
 */
export function encodeRecords(
  { table }: RouteMemory,
  { from, recordsMax, into }: { from: number; recordsMax: number; into: Buffer },
): { bytes: number; next: number } {
  const { words } = table;
  let at = 0;
  const next = table.visit(
    (place) => {
      const length = table.textBytesAt(place);
      into[at] = KINDS[table.kindAt(place)];
      into[at + 1] = length;
      into.writeUInt16LE(table.cellAt(place), at + 2);
      into.writeInt32LE(words[place + EPOCH_LOW] as number, at + 4);
      into.writeInt32LE(words[place + EPOCH_HIGH] as number, at + 8);
      into.writeInt32LE(words[place + ID_LOW] as number, at + 12);
      into.writeInt32LE(words[place + ID_HIGH] as number, at + 16);
      at += RECORD_BYTES;
      for (let index = 0; 4 * index < length; index += 1)
        into.writeInt32LE(words[place + TEXT + index] as number, at + 4 * index);
      at += length;
    },
    from,
    recordsMax,
  );
  return { bytes: at, next };
}

/** What follows the records, but for the digest. */
export function encodeFooter(footer: DiskFooter): Buffer {
  const text = Buffer.from(JSON.stringify(footer), "utf8");
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from([END]), text, length]);
}

/** The kind of the record that begins at `at`. */
export function readKind(piece: Buffer, at: number): PackedRecord["kind"] {
  const kind = piece[at];
  if (kind === KINDS.organization) return "organization";
  return kind === KINDS.alias ? "alias" : "projectKey";
}

/** Bytes of the text of the record that begins at `at`. */
export function readTextBytes(piece: Buffer, at: number): number {
  return piece[at + 1] as number;
}

/** Reads the record that begins at `at` into the same object as the one before; the cell is its number in the footer. */
export function readRecord(piece: Buffer, at: number, into: ReusedRecord): void {
  into.kind = readKind(piece, at);
  into.cell = piece.readUInt16LE(at + 2);
  into.epoch = piece.readUInt32LE(at + 4) + piece.readUInt32LE(at + 8) * TWO_32;
  into.low = piece.readInt32LE(at + 12);
  into.high = piece.readInt32LE(at + 16);
  into.bytes = piece;
  into.textAt = at + RECORD_BYTES;
  into.textBytes = readTextBytes(piece, at);
}

/**
 * Visits the records of a piece, which begins with one. The last one may be cut off: it is not visited.
 *
 * @returns the bytes of those that were visited, and whether what follows is the end of all.
 */
export function visitRecords(piece: Buffer, callback: (at: number) => void): { bytes: number; isEnd: boolean } {
  let at = 0;
  while (at < piece.length && piece[at] !== END) {
    const next = at + RECORD_BYTES + (piece[at + 1] ?? 0);
    if (next > piece.length) break;
    callback(at);
    at = next;
  }
  return { bytes: at, isEnd: piece[at] === END };
}
