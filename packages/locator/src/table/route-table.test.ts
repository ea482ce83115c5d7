import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readId } from "./keys.js";
import { type KeyKind, ORIGINS, type RecordValues, wordsOf } from "./records.js";
import { type PackedRecord, RouteTable, type TableEntry, type TableKey } from "./route-table.js";

/** What the table promises, written down with plain maps. */
class Model {
  readonly entries = new Map<string, TableEntry>();
  /** The organizations that own slugs. */
  readonly slugs = new Map<string, string>();
  readonly keys = { alias: new Map<string, TableKey>(), projectKey: new Map<string, TableKey>() };

  set(entry: TableEntry): void {
    this.remove(entry.id);
    this.entries.set(entry.id, entry);
    if (this.takeSlug(entry.slug, entry.epoch)) this.slugs.set(entry.slug, entry.id);
  }

  setKey(key: TableKey): void {
    this.keys[key.kind].delete(key.value);
    if (key.kind === "projectKey" || this.takeSlug(key.value, key.epoch)) this.keys[key.kind].set(key.value, key);
  }

  /** The organization that a slug leads to, if it is there. */
  follow(slug: string): string | undefined {
    const id = this.slugs.get(slug) ?? this.keys.alias.get(slug)?.organizationId;
    return id !== undefined && this.entries.has(id) ? id : undefined;
  }

  remove(id: string): void {
    const known = this.entries.get(id);
    if (known !== undefined && this.slugs.get(known.slug) === id) this.slugs.delete(known.slug);
    this.entries.delete(id);
  }

  private takeSlug(slug: string, epoch: number): boolean {
    const owner = this.entries.get(this.slugs.get(slug) ?? "");
    const alias = this.keys.alias.get(slug);
    if (Math.max(owner?.epoch ?? -1, alias?.epoch ?? -1) > epoch) return false;
    this.slugs.delete(slug);
    this.keys.alias.delete(slug);
    return true;
  }
}

const IDS = ["1", "10", "1024", "99999999", "100000000", "1125899906842625", "9007199254740993", "9223372036854775807"];
const id = fc.oneof(fc.constantFrom(...IDS), fc.integer({ min: 1, max: 40 }).map(String));
const slug = fc.oneof(
  fc.constantFrom("a", "acme", "acme-2", "grüße", "日本", "x".repeat(255)),
  fc.string({ maxLength: 6 }),
);
const entry = fc.record<TableEntry>({
  id,
  slug,
  cell: fc.integer({ min: 0, max: 65_535 }),
  epoch: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.maxSafeNat()),
  origin: fc.constantFrom(...ORIGINS),
  learnedAtS: fc.integer({ min: 0, max: 4_294_967_295 }),
});
/** Either as it is told, or as a copy on disk has it. */
const isPacked = fc.boolean();
const kind = fc.constantFrom<KeyKind>("alias", "projectKey");
const key = fc.record({ kind, value: slug, organizationId: id, epoch: entry.map(({ epoch }) => epoch) });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), entry, isPacked }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("key" as const), key, isPacked }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("removeKey" as const), of: kind, value: slug }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const), kept: fc.array(id, { maxLength: 5 }) }) },
);

/** As a copy on disk has it, with other bytes around the text. */
function pack(kind: PackedRecord["kind"], [text, id]: [string, string], values: RecordValues & { cell?: number }) {
  const halves = { low: 0, high: 0 };
  readId(id, halves);
  const bytes = Buffer.from(`xyz${text}xyz`);
  return { cell: 0, ...values, kind, ...halves, bytes, textAt: 3, textBytes: bytes.length - 6 };
}

/** Puts an organization into both. */
function set(
  table: RouteTable,
  model: Model,
  { entry: one, isPacked }: { entry: TableEntry; isPacked: boolean },
): void {
  if (isPacked) table.setPacked(pack("organization", [one.slug, one.id], one));
  else table.set(one);
  if (!isPacked || one.epoch >= (model.entries.get(one.id)?.epoch ?? 0)) model.set(one);
}

/** Puts an alias or a project key into both. */
function setKey(table: RouteTable, model: Model, { key, isPacked }: { key: TableKey; isPacked: boolean }): void {
  if (isPacked) table.setPacked(pack(key.kind, [key.value, key.organizationId], key));
  else table.setKey(key);
  if (!isPacked || key.epoch >= (model.keys[key.kind].get(key.value)?.epoch ?? 0)) model.setKey(key);
}

function read(table: RouteTable, place: number): TableEntry {
  return {
    id: table.idAt(place),
    slug: table.textAt(place),
    cell: table.cellAt(place),
    epoch: table.epochAt(place),
    origin: table.originAt(place),
    learnedAtS: table.learnedAtSAt(place),
  };
}

function assertSame(table: RouteTable, model: Model): void {
  expect(table.count).toBe(model.entries.size);
  for (const expected of model.entries.values()) {
    expect(read(table, table.findId(expected.id))).toEqual(expected);
    const holder = table.findSlug(expected.slug);
    expect(holder === 0 ? undefined : table.idAt(holder)).toBe(model.follow(expected.slug));
  }
  for (const kind of ["alias", "projectKey"] as const) assertSameKeys(table, model, kind);
  const keys = [...model.keys.alias.values(), ...model.keys.projectKey.values()];
  const expected = [...model.entries.keys(), ...keys.map(nameOf)];
  const visited: string[] = [];
  const note = (place: number) => {
    const kind = table.kindAt(place);
    visited.push(kind === "organization" ? table.idAt(place) : nameOf({ kind, value: table.textAt(place) }));
  };
  for (let from = table.visit(note, 0, 3); from !== 0; ) from = table.visit(note, from, 3);
  expect(visited.toSorted()).toEqual(expected.toSorted());
}

const nameOf = ({ kind, value }: Pick<TableKey, "kind" | "value">) => `${kind} ${value}`;

function assertSameKeys(table: RouteTable, model: Model, kind: KeyKind): void {
  expect(table.countKeys(kind)).toBe(model.keys[kind].size);
  for (const { value, organizationId, epoch } of model.keys[kind].values()) {
    const place = table.findKey(kind, value);
    expect([table.kindAt(place), table.idAt(place), table.epochAt(place)]).toEqual([kind, organizationId, epoch]);
    const home = kind === "alias" ? table.findSlug(value) : table.findProjectKey(value);
    expect(home).toBe(table.findId(organizationId));
  }
}

const common = { origin: "change", learnedAtS: 1 } as const;

test("whatever is put in, replaced, taken out and swept, the table says what plain maps say", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const table = new RouteTable();
      const model = new Model();
      for (const one of steps) {
        if (one.kind === "set") {
          set(table, model, one);
        } else if (one.kind === "remove") {
          if (table.findId(one.id) !== 0) table.remove(table.findId(one.id));
          model.remove(one.id);
          expect(table.findId(one.id)).toBe(0);
        } else if (one.kind === "key") {
          setKey(table, model, { ...one, key: { ...one.key, ...common } });
        } else if (one.kind === "removeKey") {
          const place = table.findKey(one.of, one.value);
          if (place !== 0) table.remove(place);
          model.keys[one.of].delete(one.value);
        } else {
          table.clearSeen();
          for (const kept of one.kept) if (table.findId(kept) !== 0) table.markSeen(table.findId(kept));
          const gone = [...model.entries.keys()].filter((known) => !one.kept.includes(known));
          expect(table.sweepUnseen()).toBe(gone.length);
          for (const known of gone) model.remove(known);
          model.keys.alias.clear();
          model.keys.projectKey.clear();
        }
      }
      assertSame(table, model);
    }),
    { numRuns: 300 },
  );
});

describe("fifty thousand organizations", () => {
  const make = (index: number, round: number): TableEntry => ({
    id: String(1_125_899_906_842_624 + index * 1_024 + (index % 3)),
    slug: `organization-${index}-${round}`,
    cell: index % 3,
    epoch: round * 50_000 + index + 1,
    origin: "change",
    learnedAtS: 1,
  });
  const table = new RouteTable();
  for (let index = 0; index < 50_000; index += 1) table.set(make(index, 0));

  test("take less than 150 bytes each, and are all found, by id and by slug, and nothing else is", () => {
    expect(table.bytes / 50_000).toBeLessThan(150);
    const isFound = (index: number) => {
      const { id: organizationId, slug: name, cell } = make(index, 0);
      const place = table.findId(organizationId);
      return place !== 0 && table.cellAt(place) === cell && table.findSlug(name) === place;
    };
    expect(Array.from({ length: 50_000 }, (_, index) => index).filter((index) => !isFound(index))).toEqual([]);
    const noSlugs = ["organization-50000-0", "organization-1", "", "日本"];
    expect(noSlugs.map((name) => table.findSlug(name))).toEqual([0, 0, 0, 0]);
    const noIds = ["0", "", "-1", "1e3", "abc", "99999999999999999999"];
    expect(noIds.map((name) => table.findId(name))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("for which there is room already make nothing grow, nor do half as many again", () => {
    const roomy = new RouteTable();
    const words = 50_000 * wordsOf(20);
    roomy.set(make(50_000, 0));
    roomy.reserve({ organization: 50_000, alias: 0, projectKey: 0, words });
    const { bytes } = roomy;
    for (let index = 0; index < 75_000; index += 1) roomy.set(make(index, 0));
    expect([roomy.bytes, roomy.count]).toEqual([bytes, 75_000]);
    expect(roomy.findSlug("organization-50000-0")).toBe(roomy.findId(make(50_000, 0).id));
  });

  test("have aliases and project keys, each of which takes less than 150 bytes more", () => {
    const bytes: number[] = [table.bytes];
    for (const kind of ["alias", "projectKey"] as const) {
      for (let index = 0; index < 50_000; index += 1) {
        const value = kind === "alias" ? `old-name-${index}` : index.toString(16).padStart(32, "0");
        table.setKey({ kind, value, organizationId: make(index, 0).id, epoch: index + 1, ...common });
      }
      bytes.push(table.bytes);
    }
    expect(table.findSlug("old-name-7")).toBe(table.findId(make(7, 0).id));
    expect(table.findProjectKey((7).toString(16).padStart(32, "0"))).toBe(table.findId(make(7, 0).id));
    expect([table.findProjectKey("old-name-7"), table.findSlug((7).toString(16).padStart(32, "0"))]).toEqual([0, 0]);
    for (const [index, before] of bytes.slice(0, -1).entries())
      expect(((bytes[index + 1] ?? 0) - before) / 50_000).toBeLessThan(150);
    for (let index = 0; index < 50_000; index += 1) {
      table.remove(table.findKey("alias", `old-name-${index}`));
      table.remove(table.findKey("projectKey", index.toString(16).padStart(32, "0")));
    }
    expect([table.countKeys("alias"), table.countKeys("projectKey"), table.count]).toEqual([0, 0, 50_000]);
  });

  test("that all change their slugs and go and come back take no more memory than once", () => {
    for (let round = 1; round < 4; round += 1)
      for (let index = 0; index < 50_000; index += 1) table.set(make(index, round));
    const { bytes } = table;
    for (let index = 0; index < 50_000; index += 1) table.remove(table.findId(make(index, 3).id));
    expect(table.count).toBe(0);
    for (let index = 0; index < 50_000; index += 1) table.set(make(index, 4));
    expect(table.bytes).toBe(bytes);
    expect(table.findSlug("organization-7-3")).toBe(0);
    expect(table.textAt(table.findSlug("organization-7-4"))).toBe("organization-7-4");
  });
});

test.each([
  ["a slug of more than 255 bytes", { slug: "ü".repeat(128) }],
  ["an id that is none", { id: "12x" }],
])("%s is refused", (_what, overrides) => {
  const table = new RouteTable();
  const wrong = { id: "1", slug: "a", cell: 0, epoch: 1, origin: "change" as const, learnedAtS: 1, ...overrides };
  expect(() => table.set(wrong)).toThrow(RangeError);
  expect(table.count).toBe(0);
});
