import { createHash } from "node:crypto";
import { DiskCopyError } from "../errors.js";
import type { CellStatement, RouteMemory } from "../route-memory.js";
import { formatId } from "../table/keys.js";

// A copy: the magic, records, a zero byte, the footer as JSON, its length in four bytes, and the SHA-256 of all before.
// A record: what it is of (1 byte), the text's length (1), the cell's number (2), the epoch (8), the id (8), the text.
const MAGIC = Buffer.from("CWROUTE2");
/** Of the version before, which knew organizations alone: read as it is. What lacks, the feed brings in a snapshot. */
const MAGIC_BEFORE = Buffer.from("CWROUTE1");
const END = 0;
const KINDS = { organization: 1, alias: 2, projectKey: 3 } as const;
const RECORD_BYTES = 20;
const LENGTH_BYTES = 4;
const DIGEST_BYTES = 32;

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

/** The beginning of every copy. */
export function createHead(): Buffer {
  return Buffer.from(MAGIC);
}

/** Routes from a place of the table on, and where to go on; 0 at the end. */
export function encodeRecords(
  { table }: RouteMemory,
  from: number,
  recordsMax: number,
): { chunk: Buffer; next: number; count: number } {
  const parts: Buffer[] = [];
  const next = table.visit(
    (place) => {
      const text = Buffer.from(table.textAt(place), "utf8");
      const record = Buffer.allocUnsafe(RECORD_BYTES + text.length);
      record[0] = KINDS[table.kindAt(place)];
      record[1] = text.length;
      record.writeUInt16LE(table.cellAt(place), 2);
      record.writeBigUInt64LE(BigInt(table.epochAt(place)), 4);
      record.writeBigUInt64LE(BigInt(table.idAt(place)), 12);
      text.copy(record, RECORD_BYTES);
      parts.push(record);
    },
    from,
    recordsMax,
  );
  return { chunk: Buffer.concat(parts), next, count: parts.length };
}

/** What follows the records, but for the digest. */
export function encodeFooter(footer: DiskFooter): Buffer {
  const text = Buffer.from(JSON.stringify(footer), "utf8");
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from([END]), text, length]);
}

/**
 * Reads a copy, of this version or the one before, and puts its routes into an empty memory.
 *
 * @returns how many organizations.
 * @throws DiskCopyError, before anything is put in, when the copy is damaged or was made for other localities.
 */
export function decodeCopy(copy: Buffer, memory: RouteMemory, localities: readonly string[]): number {
  const footer = readFooter(copy);
  if (JSON.stringify(footer.localities) !== JSON.stringify(localities))
    throw new DiskCopyError(`the copy is of the localities ${footer.localities.join(", ") || "of everybody"}`);
  for (const cell of footer.cells)
    memory.stateCell({ ...cell, httpAddress: cell.httpAddress ?? "", ingestAddress: cell.ingestAddress ?? "" });
  let at = MAGIC.length;
  let count = 0;
  while (copy[at] !== END) {
    const kind = copy[at];
    const length = copy[at + 1] as number;
    const cellName = footer.cells[copy.readUInt16LE(at + 2)]?.name ?? "";
    const epoch = Number(copy.readBigUInt64LE(at + 4));
    const organizationId = formatId(copy.readInt32LE(at + 12), copy.readInt32LE(at + 16));
    const text = copy.toString("utf8", at + RECORD_BYTES, at + RECORD_BYTES + length);
    const common = { organizationId, epoch, isDeleted: false };
    if (kind === KINDS.organization) {
      memory.stateRoute({ ...common, slug: text, cellName }, "disk");
      count += 1;
    } else memory.stateKey({ ...common, kind: kind === KINDS.alias ? "alias" : "projectKey", value: text }, "disk");
    at += RECORD_BYTES + length;
  }
  memory.feedId = footer.feedId;
  // Who wrote it may have passed over what the feed said of addresses: only a snapshot says it again.
  const isWhole = footer.cells.every((cell) => cell.httpAddress !== undefined && cell.ingestAddress !== undefined);
  memory.cursor = isWhole ? footer.cursor : "";
  memory.completeUntilMs = footer.completeUntilMs ?? undefined;
  memory.isComplete = true;
  return count;
}

function readFooter(copy: Buffer): DiskFooter {
  const bodyEnd = copy.length - DIGEST_BYTES;
  if (bodyEnd < MAGIC.length + 1 + LENGTH_BYTES) throw new DiskCopyError("the copy is cut off");
  const magic = copy.subarray(0, MAGIC.length);
  if (!magic.equals(MAGIC) && !magic.equals(MAGIC_BEFORE)) throw new DiskCopyError("the file is no copy of routes");
  const digest = createHash("sha256").update(copy.subarray(0, bodyEnd)).digest();
  if (!digest.equals(copy.subarray(bodyEnd))) throw new DiskCopyError("the copy is damaged: its checksum is wrong");
  const length = copy.readUInt32LE(bodyEnd - LENGTH_BYTES);
  const start = bodyEnd - LENGTH_BYTES - length;
  return JSON.parse(copy.toString("utf8", start, bodyEnd - LENGTH_BYTES)) as DiskFooter;
}
