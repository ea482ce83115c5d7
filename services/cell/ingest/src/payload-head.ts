import { randomUUID } from "node:crypto";
import { Readable, type Transform } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, createBrotliDecompress, createGunzip, createInflate, gunzip, inflate } from "node:zlib";
import { ENVELOPE_HEADER_MAX_BYTES, readJsonObject } from "@cellway/ingest-protocol";
import { Refusal } from "./refusal.js";

/** Compressed bytes that are looked at for the first line of an envelope. */
const HEAD_INPUT_MAX_BYTES = 64 * 1_024;

/** What bodies may be compressed with, and how they are unpacked here; null: stored as it is, and not looked into. */
const CODECS: ReadonlyMap<string, { create: () => Transform; unpack: typeof gunzip | typeof brotliDecompress } | null> =
  new Map([
    ["gzip", { create: createGunzip, unpack: gunzip }],
    ["deflate", { create: createInflate, unpack: inflate }],
    ["br", { create: createBrotliDecompress, unpack: brotliDecompress }],
    // Node unpacks it since 22.15; older ones run this too.
    ["zstd", null],
  ]);

/** The encoding of a body, empty for none. @throws Refusal for one that is not known, or several. */
export function readEncoding(header: string | undefined): string {
  const encoding = (header ?? "").trim().toLowerCase();
  if (encoding === "" || encoding === "identity") return "";
  if (CODECS.has(encoding)) return encoding;
  throw new Refusal("ENCODING_UNSUPPORTED", "content-encoding: must be gzip, deflate, br or zstd, and only one.");
}

/** The first line of an envelope, unpacked; undefined when it cannot be unpacked here. @throws Refusal */
export async function readEnvelopeLine(body: Buffer, encoding: string): Promise<string | undefined> {
  const codec = CODECS.get(encoding);
  if (codec === null) return undefined;
  const head = codec === undefined ? body : await unpackHead(body, codec.create());
  const end = head.indexOf("\n");
  const line = end < 0 ? head : head.subarray(0, end);
  if (line.byteLength > ENVELOPE_HEADER_MAX_BYTES)
    throw new Refusal("ENVELOPE_INVALID", `The first line must be at most ${ENVELOPE_HEADER_MAX_BYTES} bytes.`);
  return line.toString("utf8");
}

/** The event that an envelope is of; undefined when its header names none. @throws Refusal */
export function readEnvelopeEventId(line: string): string | undefined {
  const header = readJsonObject(line);
  if (header === undefined) throw new Refusal("ENVELOPE_INVALID", "The first line must be a JSON object.");
  return readEventId(header["event_id"], "ENVELOPE_INVALID");
}

/** The id of an event that is sent by itself; a new one when it has none; undefined when it cannot be unpacked here. @throws Refusal */
export async function readStoredEventId(body: Buffer, encoding: string, maxBytes: number): Promise<string | undefined> {
  const codec = CODECS.get(encoding);
  if (codec === null) return undefined;
  let text: Buffer;
  try {
    text =
      codec === undefined
        ? body
        : await promisify<Buffer, object, Buffer>(codec.unpack)(body, { maxOutputLength: maxBytes });
  } catch {
    throw new Refusal("EVENT_INVALID", `The body must be ${encoding} of at most ${maxBytes} bytes.`);
  }
  const event = readJsonObject(text.toString("utf8"));
  if (event === undefined) throw new Refusal("EVENT_INVALID", "The body must be a JSON object.");
  return readEventId(event["event_id"], "EVENT_INVALID") ?? randomUUID().replaceAll("-", "");
}

/** 32 lower-case hexadecimal digits, of a UUID with or without dashes. */
function readEventId(value: unknown, code: "ENVELOPE_INVALID" | "EVENT_INVALID"): string | undefined {
  if (value === undefined || value === null) return undefined;
  const text = typeof value === "string" ? value.toLowerCase() : "";
  if (/^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(text)) return text.replaceAll("-", "");
  throw new Refusal(code, "event_id: must be a UUID, with or without dashes.");
}

/** What comes out up to the first line's end, and never more than it may be long. */
async function unpackHead(body: Buffer, unpacker: Transform): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const source = Readable.from([body.subarray(0, HEAD_INPUT_MAX_BYTES)]);
  source.pipe(unpacker);
  try {
    for await (const chunk of unpacker) {
      const piece = chunk as Buffer;
      chunks.push(piece);
      bytes += piece.byteLength;
      if (bytes > ENVELOPE_HEADER_MAX_BYTES || piece.includes("\n")) break;
    }
  } catch {
    throw new Refusal("ENVELOPE_INVALID", "The body is not what content-encoding says.");
  } finally {
    unpacker.destroy();
  }
  return Buffer.concat(chunks);
}
