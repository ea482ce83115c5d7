import { formatId, hashId, type IdHalves, readId, SLUG_MAX_BYTES, SlugReader } from "./keys.js";
import { SlotIndex } from "./slot-index.js";

/** How the table came to know a route, in two bits. */
export const ORIGINS = ["snapshot", "change", "question", "disk"] as const;

/** How a locator came to know a route. */
export type RouteOrigin = (typeof ORIGINS)[number];

/** What the table keeps of one organization. */
export interface TableEntry {
  /** Decimal, up to 63 bits. */
  readonly id: string;
  readonly slug: string;
  /** 0 to 65,535; whoever uses the table knows which cell that is. */
  readonly cell: number;
  /** Up to 2^53. */
  readonly epoch: number;
  readonly origin: RouteOrigin;
  /** Seconds since 1970. */
  readonly learnedAtS: number;
}

// A record, in words of 32 bits: what the constants below say, then the slug's bytes, filled up to a whole word.
const META = 0;
const ID_LOW = 1;
const ID_HIGH = 2;
const EPOCH_LOW = 3;
const EPOCH_HIGH = 4;
const SLUG_HASH = 5;
const LEARNED_AT = 6;
const SLUG = 7;

// The first word: bytes of the slug (8 bits), cell (16), origin (2), and these.
const IS_SEEN = 1 << 26;
const IS_DEAD = 1 << 27;
/** The slug leads here. Not when an organization with a newer epoch has it. */
const HAS_SLUG = 1 << 28;

const WORDS_MIN = 1_024;
const GROWTH = 1.5;
const TWO_32 = 4_294_967_296;

/**
 * Routes of organizations, packed: about 80 bytes each, in two arrays of numbers and two indexes, and no object for the
 * garbage collector to walk. A place is a number that stays the same while its organization is there; 0 is none. What a
 * removed organization leaves is taken by the next one whose slug is about as long; memory is never given back.
 */
export class RouteTable {
  private words = new Int32Array(WORDS_MIN);
  /** Place 0 is none. */
  private end = 1;
  private live = 0;
  private readonly byId = new SlotIndex();
  private readonly bySlug = new SlotIndex();
  /** The last of the free records of each size, in words; each names the one before. */
  private readonly free = new Map<number, number>();
  private readonly halves: IdHalves = { low: 0, high: 0 };
  private readonly slug = new SlugReader();

  /** Organizations in the table. */
  get count(): number {
    return this.live;
  }

  /** Bytes of memory that it takes, unused reserves included. */
  get bytes(): number {
    return this.words.byteLength + this.byId.bytes + this.bySlug.bytes;
  }

  /** The place of an organization; 0 when it is not there. */
  findId(id: string): number {
    const { halves, words, byId } = this;
    if (!readId(id, halves)) return 0;
    const { low, high } = halves;
    const { cells, mask } = byId;
    const hash = hashId(low, high);
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = cells[2 * at] as number;
      if (place === 0) return 0;
      if (cells[2 * at + 1] === hash && words[place + ID_LOW] === low && words[place + ID_HIGH] === high) return place;
    }
  }

  /** The place of the organization that a slug leads to; 0 when there is none. */
  findSlug(slug: string): number {
    return this.slug.read(slug) ? this.findReadSlug(this.slug.hash()) : 0;
  }

  /**
   * Puts an organization in, in place of what is known of it. Its slug leads to it from now on, unless an organization
   * with a newer epoch has the slug.
   *
   * @returns its place.
   * @throws RangeError for an id that is none, and for a slug of more than 255 bytes.
   */
  set(entry: TableEntry): number {
    const { halves, slug } = this;
    if (!slug.read(entry.slug)) throw new RangeError(`The slug ${entry.slug} has more than ${SLUG_MAX_BYTES} bytes.`);
    const known = this.findId(entry.id);
    if (known !== 0) this.remove(known);
    if (!readId(entry.id, halves)) throw new RangeError(`${entry.id} is not an id.`);
    const { low, high } = halves;
    const slugHash = slug.hash();
    const place = this.allocate(sizeOf(slug.length));
    const { words } = this;
    words[place + META] = slug.length | (entry.cell << 8) | (ORIGINS.indexOf(entry.origin) << 24) | IS_SEEN;
    words[place + ID_LOW] = low;
    words[place + ID_HIGH] = high;
    words[place + EPOCH_LOW] = entry.epoch | 0;
    words[place + EPOCH_HIGH] = Math.floor(entry.epoch / TWO_32);
    words[place + SLUG_HASH] = slugHash;
    words[place + LEARNED_AT] = entry.learnedAtS | 0;
    for (let index = 0; 4 * index < slug.length; index += 1) words[place + SLUG + index] = slug.words[index] as number;
    this.live += 1;
    this.byId.add(hashId(low, high), place);
    this.claimSlug(place, slugHash);
    return place;
  }

  /** Takes an organization out. */
  remove(place: number): void {
    const { words } = this;
    this.byId.remove(hashId(words[place + ID_LOW] as number, words[place + ID_HIGH] as number), place);
    if (((words[place + META] as number) & HAS_SLUG) !== 0)
      this.bySlug.remove(words[place + SLUG_HASH] as number, place);
    const length = (words[place + META] as number) & 0xff;
    const size = sizeOf(length);
    words[place + META] = length | IS_DEAD;
    words[place + ID_LOW] = this.free.get(size) ?? 0;
    this.free.set(size, place);
    this.live -= 1;
  }

  idAt(place: number): string {
    return formatId(this.words[place + ID_LOW] as number, this.words[place + ID_HIGH] as number);
  }

  slugAt(place: number): string {
    const start = 4 * (place + SLUG);
    return Buffer.from(this.words.buffer, start, (this.words[place + META] as number) & 0xff).toString("utf8");
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

  /** Forgets which organizations were seen: all that are put in or marked from now on are. */
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

  /** Takes out every organization that was not seen since {@link clearSeen}. @returns how many. */
  sweepUnseen(): number {
    const before = this.live;
    this.visit((place) => {
      if (((this.words[place + META] as number) & IS_SEEN) === 0) this.remove(place);
    });
    return before - this.live;
  }

  /**
   * Visits the organizations from a place on, at most `recordsMax` records, in no useful order. Begin at 0. What changes
   * between two calls may be visited twice or not at all.
   *
   * @returns where to go on; 0 at the end.
   */
  visit(callback: (place: number) => void, from = 0, recordsMax = Number.POSITIVE_INFINITY): number {
    let place = Math.max(1, from);
    for (let visited = 0; place < this.end && visited < recordsMax; visited += 1) {
      const meta = this.words[place + META] as number;
      const next = place + sizeOf(meta & 0xff);
      if ((meta & IS_DEAD) === 0) callback(place);
      place = next;
    }
    return place < this.end ? place : 0;
  }

  /** The place of the organization that the slug that was read last leads to. */
  private findReadSlug(hash: number): number {
    const { words, slug } = this;
    const { cells, mask } = this.bySlug;
    const { length, words: wanted } = slug;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = cells[2 * at] as number;
      if (place === 0) return 0;
      if (cells[2 * at + 1] !== hash || ((words[place + META] as number) & 0xff) !== length) continue;
      let index = 0;
      while (4 * index < length && words[place + SLUG + index] === wanted[index]) index += 1;
      if (4 * index >= length) return place;
    }
  }

  private claimSlug(place: number, hash: number): void {
    const holder = this.findReadSlug(hash);
    if (holder !== 0) {
      if (this.epochAt(holder) > this.epochAt(place)) return;
      this.words[holder + META] = (this.words[holder + META] as number) & ~HAS_SLUG;
      this.bySlug.remove(hash, holder);
    }
    this.words[place + META] = (this.words[place + META] as number) | HAS_SLUG;
    this.bySlug.add(hash, place);
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
    const words = new Int32Array(Math.ceil(Math.max(this.words.length * GROWTH, this.end)));
    words.set(this.words);
    this.words = words;
  }
}

/** Words that the record of a slug of so many bytes takes. */
function sizeOf(slugBytes: number): number {
  return SLUG + ((slugBytes + 3) >> 2);
}
