import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { ORIGINS, RouteTable, type TableEntry } from "./route-table.js";

/** What the table promises, written down with plain maps. */
class Model {
  readonly entries = new Map<string, TableEntry & { seen: boolean }>();
  readonly slugs = new Map<string, string>();

  set(entry: TableEntry): void {
    this.remove(entry.id);
    this.entries.set(entry.id, { ...entry, seen: true });
    const holder = this.entries.get(this.slugs.get(entry.slug) ?? "");
    if (holder === undefined || holder.epoch <= entry.epoch) this.slugs.set(entry.slug, entry.id);
  }

  remove(id: string): void {
    const known = this.entries.get(id);
    if (known !== undefined && this.slugs.get(known.slug) === id) this.slugs.delete(known.slug);
    this.entries.delete(id);
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
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), entry }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const), kept: fc.array(id, { maxLength: 5 }) }) },
);

function read(table: RouteTable, place: number): TableEntry {
  return {
    id: table.idAt(place),
    slug: table.slugAt(place),
    cell: table.cellAt(place),
    epoch: table.epochAt(place),
    origin: table.originAt(place),
    learnedAtS: table.learnedAtSAt(place),
  };
}

function assertSame(table: RouteTable, model: Model): void {
  expect(table.count).toBe(model.entries.size);
  for (const { seen: _, ...expected } of model.entries.values()) {
    expect(read(table, table.findId(expected.id))).toEqual(expected);
    const holder = table.findSlug(expected.slug);
    expect(holder === 0 ? undefined : table.idAt(holder)).toBe(model.slugs.get(expected.slug));
  }
  const visited: string[] = [];
  for (let from = table.visit((place) => visited.push(table.idAt(place)), 0, 3); from !== 0; )
    from = table.visit((place) => visited.push(table.idAt(place)), from, 3);
  expect(visited.toSorted()).toEqual([...model.entries.keys()].toSorted());
}

test("whatever is put in, replaced, taken out and swept, the table says what plain maps say", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const table = new RouteTable();
      const model = new Model();
      for (const one of steps) {
        if (one.kind === "set") {
          table.set(one.entry);
          model.set(one.entry);
        } else if (one.kind === "remove") {
          if (table.findId(one.id) !== 0) table.remove(table.findId(one.id));
          model.remove(one.id);
          expect(table.findId(one.id)).toBe(0);
        } else {
          table.clearSeen();
          for (const kept of one.kept) if (table.findId(kept) !== 0) table.markSeen(table.findId(kept));
          const gone = [...model.entries.keys()].filter((known) => !one.kept.includes(known));
          expect(table.sweepUnseen()).toBe(gone.length);
          for (const known of gone) model.remove(known);
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

  test("are all found, by id and by slug, and nothing else is", () => {
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

  test("that all change their slugs and go and come back take no more memory than once", () => {
    for (let round = 1; round < 4; round += 1)
      for (let index = 0; index < 50_000; index += 1) table.set(make(index, round));
    const { bytes } = table;
    for (let index = 0; index < 50_000; index += 1) table.remove(table.findId(make(index, 3).id));
    expect(table.count).toBe(0);
    for (let index = 0; index < 50_000; index += 1) table.set(make(index, 4));
    expect(table.bytes).toBe(bytes);
    expect(table.bytes / 50_000).toBeLessThan(150);
    expect(table.findSlug("organization-7-3")).toBe(0);
    expect(table.slugAt(table.findSlug("organization-7-4"))).toBe("organization-7-4");
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
