import { formatId, type IdHalves } from "./keys.js";

/** How the table came to know a route, in two bits. */
export const ORIGINS = ["snapshot", "change", "question", "disk"] as const;

/** How a locator came to know a route. */
export type RouteOrigin = (typeof ORIGINS)[number];

/** What leads to an organization besides its id and its slug: another slug, or the public key of a project. */
export type KeyKind = "alias" | "projectKey";

/** What a record keeps of whatever it is of. */
export interface RecordValues {
  /** Up to 2^53. */
  readonly epoch: number;
  readonly origin: RouteOrigin;
  /** Seconds since 1970. */
  readonly learnedAtS: number;
}

/** What a record is found by: a slug or a key, read, with its hash. */
export interface RecordText {
  readonly words: Int32Array;
  /** In bytes. */
  readonly length: number;
  readonly hash: number;
}

// A record, in words of 32 bits: what the constants below say, then the bytes of the slug or key, filled up to a whole
// word. That of an alias or a project key has the organization's id, and no cell.
export const META = 0;
export const ID_LOW = 1;
export const ID_HIGH = 2;
export const EPOCH_LOW = 3;
export const EPOCH_HIGH = 4;
export const TEXT_HASH = 5;
const LEARNED_AT = 6;
export const TEXT = 7;

// The first word: bytes of the text (8 bits), cell (16), origin (2), and these.
const IS_SEEN = 1 << 26;
const IS_DEAD = 1 << 27;
/** The text leads here. Not when somebody with a newer epoch has it. */
export const HAS_TEXT = 1 << 28;
export const IS_ALIAS = 1 << 29;
export const IS_PROJECT_KEY = 1 << 30;
export const IS_KEY = IS_ALIAS | IS_PROJECT_KEY;

/** Words of a line of the processor's cache. A record begins with a line, so that most are looked at by reading one. */
const LINE = 16;
/** Where the first line begins: memory of this size comes 16 bytes behind a line. Where it does not, only speed is lost. */
const FIRST = LINE - 4;
const WORDS_MIN = 1_024;
const GROWTH = 1.5;
export const TWO_32 = 4_294_967_296;

/**
 * Records in an array of numbers. A place is a number that stays the same while its record is there; 0 is none. What a
 * released record leaves is taken by the next one that is about as long; memory is never given back.
 */
export class Records {
  words = new Int32Array(WORDS_MIN);
  /** Place 0 is none. */
  private end = FIRST;
  /** The last of the free records of each size, in words; each names the one before. */
  private readonly free = new Map<number, number>();

  /** The organization's id: its own, or that of the one that a key leads to. */
  idAt(place: number): string {
    return formatId(this.words[place + ID_LOW] as number, this.words[place + ID_HIGH] as number);
  }

  /** The slug, or the key. */
  textAt(place: number): string {
    const start = 4 * (place + TEXT);
    return Buffer.from(this.words.buffer, start, this.textBytesAt(place)).toString("utf8");
  }

  /** Bytes of the slug, or the key. */
  textBytesAt(place: number): number {
    return (this.words[place + META] as number) & 0xff;
  }

  /** What the record is of. */
  kindAt(place: number): "organization" | KeyKind {
    const meta = this.words[place + META] as number;
    if ((meta & IS_KEY) === 0) return "organization";
    return (meta & IS_ALIAS) === 0 ? "projectKey" : "alias";
  }

  cellAt(place: number): number {
    return ((this.words[place + META] as number) >>> 8) & 0xffff;
  }

  epochAt(place: number): number {
    return (this.words[place + EPOCH_HIGH] as number) * TWO_32 + ((this.words[place + EPOCH_LOW] as number) >>> 0);
  }

  originAt(place: number): RouteOrigin {
    return ORIGINS[((this.words[place + META] as number) >>> 24) & 3] as RouteOrigin;
  }

  learnedAtSAt(place: number): number {
    return (this.words[place + LEARNED_AT] as number) >>> 0;
  }

  isSeen(place: number): boolean {
    return ((this.words[place + META] as number) & IS_SEEN) !== 0;
  }

  /** Forgets what was seen: all that is put in or marked from now on is. */
  clearSeen(): void {
    this.visit((place) => {
      this.words[place + META] = (this.words[place + META] as number) & ~IS_SEEN;
    });
  }

  markSeen(place: number): void {
    this.words[place + META] = (this.words[place + META] as number) | IS_SEEN;
  }

  /** Forgets how new everything is: whatever is said next is newer. */
  clearEpochs(): void {
    this.visit((place) => {
      this.words[place + EPOCH_LOW] = 0;
      this.words[place + EPOCH_HIGH] = 0;
    });
  }

  /**
   * Visits the records from a place on, at most `recordsMax`, in no useful order. Begin at 0. What changes between two
   * calls may be visited twice or not at all.
   *
   * @returns where to go on; 0 at the end.
   */
  visit(callback: (place: number) => void, from = 0, recordsMax = Number.POSITIVE_INFINITY): number {
    let place = Math.max(FIRST, from);
    for (let visited = 0; place < this.end && visited < recordsMax; visited += 1) {
      const meta = this.words[place + META] as number;
      const next = place + wordsOf(meta & 0xff);
      if ((meta & IS_DEAD) === 0) callback(place);
      place = next;
    }
    return place < this.end ? place : 0;
  }

  /**
   * Makes room for so many words of records, {@link wordsOf} each, and as much again as growing would: while it grows, the
   * memory of before is there too, whereas room that nothing was written to takes none of the machine's.
   */
  protected reserveWords(words: number): void {
    const length = Math.ceil((this.end + words) * GROWTH);
    if (length > this.words.length) this.resize(length);
  }

  /** Writes a record, seen, with `bits` in its first word. @returns its place. */
  write(values: RecordValues, { low, high }: IdHalves, text: RecordText, bits: number): number {
    const { length } = text;
    const place = this.allocate(wordsOf(length));
    const { words } = this;
    words[place + META] = length | bits | (ORIGINS.indexOf(values.origin) << 24) | IS_SEEN;
    words[place + ID_LOW] = low;
    words[place + ID_HIGH] = high;
    words[place + EPOCH_LOW] = values.epoch | 0;
    words[place + EPOCH_HIGH] = Math.floor(values.epoch / TWO_32);
    words[place + TEXT_HASH] = text.hash;
    words[place + LEARNED_AT] = values.learnedAtS | 0;
    for (let index = 0; 4 * index < length; index += 1) words[place + TEXT + index] = text.words[index] as number;
    return place;
  }

  /** Leaves a record to whoever is written next. */
  release(place: number): void {
    const { words } = this;
    const length = (words[place + META] as number) & 0xff;
    const size = wordsOf(length);
    words[place + META] = length | IS_DEAD;
    words[place + ID_LOW] = this.free.get(size) ?? 0;
    this.free.set(size, place);
  }

  private allocate(size: number): number {
    const free = this.free.get(size);
    if (free !== undefined && free !== 0) {
      this.free.set(size, this.words[free + ID_LOW] as number);
      return free;
    }
    const place = this.end;
    this.end += size;
    if (this.end > this.words.length) this.grow();
    return place;
  }

  private grow(): void {
    this.resize(Math.ceil(Math.max(this.words.length * GROWTH, this.end)));
  }

  private resize(length: number): void {
    const words = new Int32Array(length);
    words.set(this.words);
    this.words = words;
  }
}

/** Words that a record with a text of so many bytes takes: whole lines, one for a text of up to 36 bytes. */
export function wordsOf(textBytes: number): number {
  return (TEXT + ((textBytes + 3) >> 2) + LINE - 1) & -LINE;
}
