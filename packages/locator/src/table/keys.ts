/** An id as two signed 32-bit halves. */
export interface IdHalves {
  low: number;
  high: number;
}

const DIGITS_FAST_MAX = 16;
const ID_MAX = 2n ** 63n - 1n;

/**
 * Reads a decimal id of up to 63 bits into `into`, without making an object. False for what is no such id, which then
 * names nothing.
 */
export function readId(id: string, into: IdHalves): boolean {
  const digits = id.length;
  if (digits === 0 || digits > 19) return false;
  if (digits > DIGITS_FAST_MAX) return readLongId(id, into);
  const split = digits > 8 ? digits - 8 : 0;
  let first = 0;
  let second = 0;
  for (let index = 0; index < split; index += 1) {
    const digit = id.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return false;
    first = (Math.imul(first, 10) + digit) | 0;
  }
  for (let index = split; index < digits; index += 1) {
    const digit = id.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return false;
    second = (Math.imul(second, 10) + digit) | 0;
  }
  const value = first * 100_000_000 + second;
  if (value > Number.MAX_SAFE_INTEGER) return readLongId(id, into);
  into.low = value | 0;
  into.high = ((value - (value >>> 0)) / 4_294_967_296) | 0;
  return true;
}

function readLongId(id: string, into: IdHalves): boolean {
  if (!/^\d+$/.test(id)) return false;
  const value = BigInt(id);
  if (value > ID_MAX) return false;
  into.low = Number(value & 0xffff_ffffn) | 0;
  into.high = Number(value >> 32n) | 0;
  return true;
}

/** The id that {@link readId} read. */
export function formatId(low: number, high: number): string {
  const value = (high >>> 0) * 4_294_967_296 + (low >>> 0);
  if (Number.isSafeInteger(value)) return String(value);
  return String((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
}

/** Spreads ids, whose low bits are a cell's number and much the same. The finalizer of MurmurHash3 over both halves. */
export function hashId(low: number, high: number): number {
  let hash = low ^ Math.imul(high, 0x9e37_79b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

/** FNV-1a over the bytes of a text, spread at the end: the tables take its low bits. */
export function hashBytes(text: string): number {
  let hash = 0x811c_9dc5 | 0;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85eb_ca6b);
  return hash ^ (hash >>> 13);
}

/** A text whose char codes are the UTF-8 bytes of `text`: itself, when it is ASCII. */
export function toBytesText(text: string): string {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) > 127) return Buffer.from(text, "utf8").toString("latin1");
  }
  return text;
}
