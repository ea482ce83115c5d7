import { readdirSync } from "node:fs";
import {
  clone,
  create,
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  ListValueSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "@jest/globals";
import { copyMessage } from "./copy-message.js";

const SCALARS =
  "DOUBLE FLOAT INT64 UINT64 INT32 FIXED64 FIXED32 BOOL STRING BYTES UINT32 SFIXED32 SFIXED64 SINT32 SINT64".split(" ");
/** The types that are put into a oneof, a list and a map, besides standing alone. */
const TYPES: readonly JsonObject[] = [
  ...SCALARS.map((name) => ({ type: `TYPE_${name}` })),
  { type: "TYPE_ENUM", typeName: ".test.Color" },
  ...[
    ".test.Leaf",
    ".test.All",
    ".google.protobuf.Timestamp",
    ".google.protobuf.Any",
    ".google.protobuf.Struct",
    ".google.protobuf.Value",
    ".google.protobuf.ListValue",
    ".google.protobuf.StringValue",
  ].map((typeName) => ({
    type: "TYPE_MESSAGE",
    typeName,
  })),
];
const MAP_KEYS = ["STRING", "INT32", "INT64", "BOOL"];

/** A file with a message `All` that has a field of every kind there is. */
function createAll(syntax: JsonObject): DescMessage {
  const field: JsonObject[] = [];
  const nestedType: JsonObject[] = [];
  const add = (prefix: string, of: JsonObject) =>
    field.push({ name: `${prefix}_${field.length + 1}`, number: field.length + 1, label: "LABEL_OPTIONAL", ...of });
  for (const type of TYPES) {
    add("one", type);
    add("member", { ...type, oneofIndex: 0 });
    add("list", { ...type, label: "LABEL_REPEATED" });
    for (const key of MAP_KEYS) {
      const name = `Map${field.length + 1}Entry`;
      const entry = (entryField: string, number: number, of: JsonObject) => ({
        name: entryField,
        number,
        label: "LABEL_OPTIONAL",
        ...of,
      });
      nestedType.push({
        name,
        options: { mapEntry: true },
        field: [entry("key", 1, { type: `TYPE_${key}` }), entry("value", 2, type)],
      });
      add("map", { label: "LABEL_REPEATED", type: "TYPE_MESSAGE", typeName: `.test.All.${name}` });
    }
  }
  const files = [
    file_google_protobuf_timestamp,
    file_google_protobuf_any,
    file_google_protobuf_struct,
    file_google_protobuf_wrappers,
    file_google_protobuf_duration,
  ];
  const file = fromJson(FileDescriptorProtoSchema, {
    name: "copy.test.proto",
    package: "test",
    ...syntax,
    dependency: files.map(({ proto }) => proto.name),
    enumType: [
      {
        name: "Color",
        value: [
          { name: "COLOR_NONE", number: 0 },
          { name: "COLOR_RED", number: 1 },
        ],
      },
    ],
    messageType: [
      { name: "All", field, nestedType, oneofDecl: [{ name: "choice" }] },
      { name: "Leaf", field: [{ name: "text", number: 1, label: "LABEL_OPTIONAL", type: "TYPE_STRING" }] },
    ],
  });
  const desc = createFileRegistry(file, (name) => files.find(({ proto }) => proto.name === name)?.proto).getMessage(
    "test.All",
  );
  if (desc === undefined) throw new Error("the test's own descriptor is wrong");
  return desc;
}

const ALL = createAll({ syntax: "proto3" });
const ALL_WITH_PRESENCE = createAll({ syntax: "editions", edition: "EDITION_2023" });

/** A small generator of the same numbers in every run (Mulberry32). */
function createRandom(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * max);
  };
}

function scalarOf(type: ScalarType, random: (max: number) => number): string | number | bigint | boolean | Uint8Array {
  switch (type) {
    case ScalarType.STRING:
      return ["", "text", "ä€😀", "__proto__"][random(4)] ?? "";
    case ScalarType.BYTES:
      return Uint8Array.from({ length: random(4) }, () => random(256));
    case ScalarType.BOOL:
      return random(2) === 1;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return [0, 1.5, -0, Number.NaN, Number.POSITIVE_INFINITY][random(5)] ?? 0;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return [0n, 1n, 9_007_199_254_740_993n][random(3)] ?? 0n;
    default:
      return random(1_000);
  }
}

function singleOf(
  field: { scalar?: ScalarType | undefined; message?: DescMessage | undefined; enum?: DescEnum | undefined },
  random: (max: number) => number,
  depth: number,
): unknown {
  if (field.message !== undefined) return reflect(field.message, createRandomMessage(field.message, random, depth - 1));
  if (field.enum !== undefined) return field.enum.values[random(field.enum.values.length)]?.number;
  return field.scalar === undefined ? 0 : scalarOf(field.scalar, random);
}

function fill(message: ReflectMessage, field: DescField, random: (max: number) => number, depth: number): void {
  if (field.fieldKind === "list") {
    const list = message.get(field);
    for (let left = random(3); left > 0; left -= 1) list.add(singleOf(field, random, depth));
  } else if (field.fieldKind === "map") {
    const map = message.get(field);
    for (let left = random(3); left > 0; left -= 1)
      map.set(scalarOf(field.mapKey, random), singleOf(field, random, depth));
  } else {
    message.set(field, singleOf(field, random, depth));
  }
}

function createRandomMessage(desc: DescMessage, random: (max: number) => number, depth: number): Message {
  const message = reflect(desc);
  for (const field of desc.fields) {
    if ("message" in field && field.message !== undefined && depth <= 0) continue;
    if (random(4) === 0) fill(message, field, random, depth);
  }
  return message.message;
}

/** Every object that can be changed and is reached from `value`, with its path. No bytes are nothing to change; the library may share them. */
function collectObjects(value: unknown, path = "", into = new Map<object, string>()): Map<object, string> {
  if (typeof value !== "object" || value === null || into.has(value)) return into;
  if (value instanceof Uint8Array && value.length === 0) return into;
  into.set(value, path);
  if (!(value instanceof Uint8Array))
    for (const [key, inner] of Object.entries(value)) collectObjects(inner, `${path}.${key}`, into);
  return into;
}

function expectSameButApart(desc: DescMessage, message: Message): void {
  const before = toBinary(desc, message);
  const copy = copyMessage(desc, message);
  expect(copy).toStrictEqual(clone(desc, message));
  expect(Buffer.from(toBinary(desc, copy)).equals(before)).toBe(true);
  expect(Object.getPrototypeOf(copy)).toBe(Object.getPrototypeOf(message));
  const mine = collectObjects(message);
  for (const [object, path] of collectObjects(copy))
    if (mine.has(object)) throw new Error(`${desc.typeName}: both hold ${path}`);
}

const RUNS = Array.from({ length: 60 }, (_, seed) => seed);

describe("a copy is what clone() makes, and shares nothing that can be changed", () => {
  it("for an empty message of every kind of field", () => {
    expectSameButApart(ALL, create(ALL));
  });

  it("for random messages with every kind of field", () => {
    for (const seed of RUNS) expectSameButApart(ALL, createRandomMessage(ALL, createRandom(seed), 2));
  });

  it("for random messages that keep their defaults on a prototype", () => {
    for (const seed of RUNS)
      expectSameButApart(ALL_WITH_PRESENCE, createRandomMessage(ALL_WITH_PRESENCE, createRandom(seed), 2));
  });

  it.each(
    [
      AnySchema,
      DurationSchema,
      FieldMaskSchema,
      TimestampSchema,
      StructSchema,
      ValueSchema,
      ListValueSchema,
      FileDescriptorSetSchema,
    ].map((desc) => [desc.typeName, desc] as const),
  )("for random messages of %s", (_name, desc) => {
    for (const seed of RUNS) expectSameButApart(desc, createRandomMessage(desc, createRandom(seed), 3));
  });

  it("for random messages of all contracts of Cellway", async () => {
    const root = new URL("../../../", import.meta.resolve("@cellway/gen/cellway/contract/v1/options"));
    const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (name) => name.endsWith("_pb.js") && !name.includes("node_modules"),
    );
    let count = 0;
    for (const name of names) {
      const values = Object.values((await import(new URL(name, root).href)) as Record<string, { kind?: string }>);
      for (const desc of values.filter((value): value is DescMessage => value.kind === "message")) {
        for (let seed = 0; seed < 10; seed += 1)
          expectSameButApart(desc, createRandomMessage(desc, createRandom(seed), 2));
        count += 1;
      }
    }
    expect(count).toBeGreaterThan(10);
  });
});

describe("a copy of what an implementation returns", () => {
  it("is a message when that was only the fields of one", () => {
    expect(copyMessage(TimestampSchema, { seconds: 7n })).toStrictEqual(create(TimestampSchema, { seconds: 7n }));
  });

  it("shares nothing with the messages inside those fields", () => {
    const inner = create(TimestampSchema, { seconds: 7n });
    const field = ALL.fields.find(
      (candidate) =>
        candidate.fieldKind === "message" &&
        candidate.message.typeName === TimestampSchema.typeName &&
        candidate.oneof === undefined,
    );
    if (field === undefined) throw new Error("no such field");
    const copy = copyMessage(ALL, { [field.localName]: inner }) as unknown as Record<string, { seconds: bigint }>;
    inner.seconds = 8n;
    expect(copy[field.localName]?.seconds).toBe(7n);
  });

  it("keeps the fields of a later version", () => {
    const bytes = toBinary(TimestampSchema, create(TimestampSchema, { seconds: 7n, nanos: 9 }));
    const older = fromJson(FileDescriptorProtoSchema, {
      name: "older.proto",
      package: "test",
      syntax: "proto3",
      messageType: [
        { name: "Older", field: [{ name: "seconds", number: 1, label: "LABEL_OPTIONAL", type: "TYPE_INT64" }] },
      ],
    });
    const desc = createFileRegistry(older, () => undefined).getMessage("test.Older");
    if (desc === undefined) throw new Error("the test's own descriptor is wrong");
    const message = fromBinary(desc, bytes);
    const copy = copyMessage(desc, message);
    expect(copy).toStrictEqual(message);
    expect(Buffer.from(toBinary(desc, copy)).equals(bytes)).toBe(true);
  });
});
