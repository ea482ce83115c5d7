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

/** The most bytes of UTF-8 that a slug or a key may have. */
export const TEXT_MAX_BYTES = 255;

const encoder = new TextEncoder();

/** A text as words of its UTF-8 bytes, the last one filled up with zeros: read again and again without making an object. */
export class TextReader {
  private readonly bytes = new Uint8Array(TEXT_MAX_BYTES + 5);
  readonly words = new Int32Array(this.bytes.buffer, 0, (TEXT_MAX_BYTES + 1) / 4);
  /** Bytes of the text that was read last. */
  length = 0;
  /** Spreads them: multiplies and shifts, word by word. */
  hash = 0;

  /** Reads a text. False for one that is too long. */
  read(text: string): boolean {
    if (!this.readAscii(text)) {
      const { bytes } = this;
      const { read, written } = encoder.encodeInto(text, bytes);
      if (read !== text.length || written > TEXT_MAX_BYTES) return false;
      for (let index = written; (index & 3) !== 0; index += 1) bytes[index] = 0;
      this.length = written;
    }
    this.hash = this.spread();
    return true;
  }

  /** Reads a text of `length` bytes of UTF-8, at most 255, that begins at `at`. */
  readBytes(from: Uint8Array, at: number, length: number): void {
    const { bytes } = this;
    for (let index = 0; index < length; index += 1) bytes[index] = from[at + index] as number;
    for (let index = length; (index & 3) !== 0; index += 1) bytes[index] = 0;
    this.length = length;
    this.hash = this.spread();
  }

  /** What nearly every text is, without the encoder, which takes longer than the rest of a look-up of a hot key. */
  private readAscii(text: string): boolean {
    const { words } = this;
    const { length } = text;
    if (length > TEXT_MAX_BYTES) return false;
    let seen = 0;
    for (let at = 0, index = 0; at < length; index += 1) {
      let word = 0;
      for (let shift = 0; shift < 32 && at < length; shift += 8, at += 1) {
        const code = text.charCodeAt(at);
        seen |= code;
        word |= code << shift;
      }
      words[index] = word;
    }
    this.length = length;
    return seen < 128;
  }

  private spread(): number {
    const { words, length } = this;
    let hash = length;
    for (let index = 0; 4 * index < length; index += 1) {
      hash = Math.imul(hash ^ (words[index] as number), 0x85eb_ca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2_ae35);
    return hash ^ (hash >>> 16);
  }
}
