import { hashId, type IdHalves, readId, TEXT_MAX_BYTES, TextReader } from "./keys.js";
import {
  HAS_TEXT,
  ID_HIGH,
  ID_LOW,
  IS_ALIAS,
  IS_KEY,
  IS_PROJECT_KEY,
  type KeyKind,
  META,
  Records,
  type RecordValues,
  TEXT,
  TEXT_HASH,
} from "./records.js";
import { SlotIndex } from "./slot-index.js";

/** What the table keeps of one organization. */
export interface TableEntry extends RecordValues {
  /** Decimal, up to 63 bits. */
  readonly id: string;
  readonly slug: string;
  /** 0 to 65,535; whoever uses the table knows which cell that is. */
  readonly cell: number;
}

/** What the table keeps of an alias or a project key. */
export interface TableKey extends RecordValues {
  readonly kind: KeyKind;
  /** The slug, or the public key. */
  readonly value: string;
  /** Whom it leads to, be it in the table or not. */
  readonly organizationId: string;
}

/** What a copy on disk keeps of an organization, an alias or a project key; the id in its halves. */
export interface PackedRecord extends RecordValues, IdHalves {
  readonly kind: "organization" | KeyKind;
  /** Not read of a key. */
  readonly cell: number;
  /** Holds the UTF-8 bytes of the slug or key, `textBytes` of them from `textAt` on; at most 255. */
  readonly bytes: Uint8Array;
  readonly textAt: number;
  readonly textBytes: number;
}

/**
 * Routes of organizations, and what else leads to them, packed: about 100 bytes each, in an array of numbers and three
 * indexes, and no object for the garbage collector to walk. Places are those of {@link Records}.
 */
export class RouteTable extends Records {
  private readonly live = { organization: 0, alias: 0, projectKey: 0 };
  private readonly byId = new SlotIndex();
  /** Slugs of organizations, and aliases. */
  private readonly bySlug = new SlotIndex();
  private readonly byProjectKey = new SlotIndex();
  private readonly halves: IdHalves = { low: 0, high: 0 };
  /** Holds what is looked up, or put in. */
  private readonly text = new TextReader();

  /** Organizations in the table. */
  get count(): number {
    return this.live.organization;
  }

  /** Aliases, or project keys, in the table. */
  countKeys(kind: KeyKind): number {
    return this.live[kind];
  }

  /** Bytes of memory that it takes, unused reserves included. */
  get bytes(): number {
    return this.words.byteLength + this.byId.bytes + this.bySlug.bytes + this.byProjectKey.bytes;
  }

  /** Makes room for so many records of each kind, with so many words in all, so that nothing grows while they are put in. */
  reserve(counts: Readonly<Record<"organization" | KeyKind | "words", number>>): void {
    this.reserveWords(counts.words);
    this.byId.reserve(counts.organization);
    this.bySlug.reserve(counts.organization + counts.alias);
    this.byProjectKey.reserve(counts.projectKey);
  }

  /** The place of an organization; 0 when it is not there. */
  findId(id: string): number {
    const { halves } = this;
    return readId(id, halves) ? this.findHalves(halves.low, halves.high) : 0;
  }

  /** The place of the organization that a slug leads to, be it as an alias; 0 when there is none. */
  findSlug(slug: string): number {
    return this.text.read(slug) ? this.follow(this.findText(this.bySlug)) : 0;
  }

  /** The place of the organization whose project has a public key; 0 when there is none. */
  findProjectKey(publicKey: string): number {
    return this.text.read(publicKey) ? this.follow(this.findText(this.byProjectKey)) : 0;
  }

  /** The place of an alias or a project key itself; 0 when it is not there. */
  findKey(kind: KeyKind, value: string): number {
    const place = this.text.read(value) ? this.findText(this.indexOf(kind)) : 0;
    return this.isKey(place) ? place : 0;
  }

  /**
   * Puts an organization in, in place of what is known of it. Its slug leads to it from now on, unless an organization
   * or an alias with a newer epoch has the slug.
   *
   * @returns its place.
   * @throws RangeError for an id that is none, and for a slug of more than 255 bytes.
   */
  set(entry: TableEntry): number {
    this.read(entry.slug, entry.id);
    return this.putOrganization(entry, this.findHalves(this.halves.low, this.halves.high));
  }

  /**
   * Puts an alias or a project key in, in place of what is known of it. An alias is left out when an organization with a
   * newer epoch has the slug.
   *
   * @returns its place; 0 when it was left out.
   * @throws RangeError for an id that is none, and for a slug or key of more than 255 bytes.
   */
  setKey(key: TableKey): number {
    this.read(key.value, key.organizationId);
    return this.putKey(key.kind, key, this.findText(this.indexOf(key.kind)));
  }

  /**
   * Puts in what a copy on disk has, as {@link set} and {@link setKey} do, unless something newer is known of it. Makes no
   * objects: a copy has millions of records, and what they leave behind is as much memory as the table.
   */
  setPacked(record: PackedRecord): void {
    const { halves, text } = this;
    const { kind } = record;
    text.readBytes(record.bytes, record.textAt, record.textBytes);
    halves.low = record.low;
    halves.high = record.high;
    const isOrganization = kind === "organization";
    const known = isOrganization ? this.findHalves(halves.low, halves.high) : this.findText(this.indexOf(kind));
    const isSame = known !== 0 && (isOrganization || this.isKey(known));
    if (isSame && record.epoch < this.epochAt(known)) return;
    if (isOrganization) this.putOrganization(record, known);
    else this.putKey(kind, record, known);
  }

  /** Takes out an organization, or what leads to one. */
  remove(place: number): void {
    const { words } = this;
    const kind = this.kindAt(place);
    if (kind === "organization")
      this.byId.remove(hashId(words[place + ID_LOW] as number, words[place + ID_HIGH] as number), place);
    if (((words[place + META] as number) & HAS_TEXT) !== 0) {
      const index = kind === "projectKey" ? this.byProjectKey : this.bySlug;
      index.remove(words[place + TEXT_HASH] as number, place);
    }
    this.release(place);
    this.live[kind] -= 1;
  }

  /** Takes out everything that was not seen since {@link clearSeen}. @returns how many organizations that were. */
  sweepUnseen(): number {
    const before = this.count;
    this.visit((place) => {
      if (!this.isSeen(place)) this.remove(place);
    });
    return before - this.count;
  }

  /** Puts in the organization whose slug and id were read last, in place of the record of it that is there. */
  private putOrganization(values: RecordValues & { readonly cell: number }, known: number): number {
    const { halves, text } = this;
    if (known !== 0) this.remove(known);
    const isFree = this.claim(this.bySlug, values.epoch);
    const place = this.write(values, halves, text, values.cell << 8);
    this.live.organization += 1;
    this.byId.add(hashId(halves.low, halves.high), place);
    if (isFree) this.give(this.bySlug, place);
    return place;
  }

  /** Puts in the key whose value and id were read last. Known is the record that the value leads to. */
  private putKey(kind: KeyKind, values: RecordValues, known: number): number {
    const index = this.indexOf(kind);
    if (this.isKey(known)) this.remove(known);
    if (!this.claim(index, values.epoch)) return 0;
    const place = this.write(values, this.halves, this.text, kind === "alias" ? IS_ALIAS : IS_PROJECT_KEY);
    this.live[kind] += 1;
    this.give(index, place);
    return place;
  }

  /** @throws RangeError for what the table cannot hold. */
  private read(text: string, id: string): void {
    if (!this.text.read(text)) throw new RangeError(`${text} has more than ${TEXT_MAX_BYTES} bytes.`);
    if (!readId(id, this.halves)) throw new RangeError(`${id} is not an id.`);
  }

  private indexOf(kind: KeyKind): SlotIndex {
    return kind === "alias" ? this.bySlug : this.byProjectKey;
  }

  private isKey(place: number): boolean {
    return ((this.words[place + META] as number) & IS_KEY) !== 0;
  }

  /** From a record to that of its organization, which it mostly is itself. */
  private follow(place: number): number {
    if (!this.isKey(place)) return place;
    return this.findHalves(this.words[place + ID_LOW] as number, this.words[place + ID_HIGH] as number);
  }

  private findHalves(low: number, high: number): number {
    const { words } = this;
    const { cells, mask } = this.byId;
    const hash = hashId(low, high);
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = cells[2 * at] as number;
      if (place === 0) return 0;
      if (cells[2 * at + 1] === hash && words[place + ID_LOW] === low && words[place + ID_HIGH] === high) return place;
    }
  }

  /** The place of the record that the text that was read last leads to. */
  private findText({ cells, mask }: SlotIndex): number {
    const { words, text } = this;
    const { hash, length, words: wanted } = text;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = cells[2 * at] as number;
      if (place === 0) return 0;
      if (cells[2 * at + 1] !== hash || ((words[place + META] as number) & 0xff) !== length) continue;
      let index = 0;
      while (4 * index < length && words[place + TEXT + index] === wanted[index]) index += 1;
      if (4 * index >= length) return place;
    }
  }

  /** Takes the text that was read last from whoever has it, unless with a newer epoch. @returns whether it is free now. */
  private claim(index: SlotIndex, epoch: number): boolean {
    const holder = this.findText(index);
    if (holder === 0) return true;
    if (this.epochAt(holder) > epoch) return false;
    if (this.isKey(holder)) {
      // Without its text it is nothing.
      this.remove(holder);
    } else {
      this.words[holder + META] = (this.words[holder + META] as number) & ~HAS_TEXT;
      index.remove(this.text.hash, holder);
    }
    return true;
  }

  private give(index: SlotIndex, place: number): void {
    this.words[place + META] = (this.words[place + META] as number) | HAS_TEXT;
    index.add(this.text.hash, place);
  }
}
