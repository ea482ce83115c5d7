import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  FieldRulesSchema,
  MessageRulesSchema,
  OneofRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import {
  MethodOptionsSchema,
  OutboxOptionsSchema,
  ServiceOptionsSchema,
} from "@cellway/gen/cellway/contract/v1/options";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { check } from "../check.js";
import { RULES } from "../rules.js";
import { contractOf, findingsOf, ROOT, run, withContracts, writeContracts } from "../test-support.js";

const RUNS = 100;
/** On a busy machine a run takes a quarter of a second. */
const TIMEOUT_MS = 180_000;
const BREAKING = new Set<string>(RULES.filter(({ kind }) => kind === "breaking").map(({ id }) => id));

/** What stands in the options of descriptors, by their type and its number. */
const CONTENTS: Readonly<Record<string, Readonly<Record<number, DescMessage>>>> = {
  "google.protobuf.MessageOptions": { 1159: MessageRulesSchema, 50001: OutboxOptionsSchema },
  "google.protobuf.FieldOptions": { 1159: FieldRulesSchema },
  "google.protobuf.OneofOptions": { 1159: OneofRulesSchema },
  "google.protobuf.ServiceOptions": { 50001: ServiceOptionsSchema },
  "google.protobuf.MethodOptions": { 50001: MethodOptionsSchema },
};

type Random = () => number;

/** The same numbers for the same seed (mulberry32). */
function createRandom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same image with the fields of all options, and of what they hold, in another order. */
function reorder(image: Uint8Array, random: Random): Uint8Array {
  const set = fromBinary(FileDescriptorSetSchema, image);
  reorderOptions(FileDescriptorSetSchema, set, random);
  return toBinary(FileDescriptorSetSchema, set);
}

function reorderOptions(schema: DescMessage, message: Message, random: Random): void {
  const contents = CONTENTS[schema.typeName];
  if (contents !== undefined && message.$unknown !== undefined) {
    const fields = message.$unknown.map((field) => {
      const content = contents[field.no];
      if (content === undefined) return field;
      const bytes = reorderFields(new BinaryReader(field.data).bytes(), content, random);
      return { ...field, data: new BinaryWriter().bytes(bytes).finish() };
    });
    message.$unknown = interleave(fields, ({ no }) => no, random);
  }
  const set = reflect(schema, message);
  for (const field of schema.fields) {
    if (field.message === undefined || !set.isSet(field)) continue;
    const value = set.get(field) as { message: Message } | Iterable<{ message: Message }>;
    for (const each of "message" in value ? [value] : value) reorderOptions(field.message, each.message, random);
  }
}

/** The fields of one message in another order; those of one number keep theirs, which means something. */
function reorderFields(bytes: Uint8Array, schema: DescMessage, random: Random): Uint8Array {
  const reader = new BinaryReader(bytes);
  const fields: { number: number; bytes: Uint8Array }[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    const content = schema.fields.find((field) => field.number === number)?.message;
    if (content !== undefined && wireType === WireType.LengthDelimited) {
      const inner = reorderFields(reader.bytes(), content, random);
      fields.push({
        number,
        bytes: new BinaryWriter()
          .uint32((number << 3) | wireType)
          .bytes(inner)
          .finish(),
      });
    } else {
      reader.skip(wireType, number);
      fields.push({ number, bytes: bytes.slice(start, reader.pos) });
    }
  }
  return Buffer.concat(interleave(fields, ({ number }) => number, random).map((field) => field.bytes));
}

function interleave<T>(items: readonly T[], keyOf: (item: T) => number, random: Random): T[] {
  const queues = [...new Set(items.map(keyOf))].map((key) => items.filter((item) => keyOf(item) === key));
  const mixed: T[] = [];
  while (queues.length > 0) {
    const at = Math.floor(random() * queues.length);
    const item = queues[at]?.shift();
    if (item !== undefined) mixed.push(item);
    if (queues[at]?.length === 0) queues.splice(at, 1);
  }
  return mixed;
}

function filesOf(image: Uint8Array) {
  const { file }: FileDescriptorSet = fromBinary(FileDescriptorSetSchema, image);
  return file.map((proto) => ({
    proto,
    isImport: !proto.name.startsWith("cellway/"),
    readSourceInfo: () => undefined,
  }));
}

describe("options that were written in another order", () => {
  let image: Uint8Array;
  beforeAll(async () => {
    await withContracts({}, async (root) => {
      const out = join(root, "now.binpb");
      const built = await run("buf", ["build", "proto", "--exclude-source-info", "-o", out], ROOT);
      if (built.code !== 0) throw new Error(built.output);
      image = readFileSync(out);
    });
  });

  test(
    `are the same options: no false alarm over all contracts, in ${RUNS} orders`,
    async () => {
      const files = filesOf(image);
      const orders = new Set<string>();
      for (let seed = 1; seed <= RUNS; seed += 1) {
        const mixed = reorder(image, createRandom(seed));
        orders.add(Buffer.from(mixed).toString("base64"));
        expect(mixed.length).toBe(image.length);
        expect(await check({ files, againstFiles: filesOf(mixed), ruleIds: BREAKING })).toEqual([]);
      }
      expect(orders.size).toBe(RUNS);
    },
    TIMEOUT_MS,
  );

  test("hide nothing, and raise nothing: buf finds the one change there is, in every order", async () => {
    const file = "cellway/case/v1/thing.proto";
    await withContracts({ [file]: contractOf("case", 1) }, async (root) => {
      const built = await run("buf", ["build", "proto", "--exclude-source-info", "-o", "old.binpb"], root);
      expect(built).toMatchObject({ code: 0 });
      const old = readFileSync(join(root, "old.binpb"));
      const changed = contractOf("case", 1, [["    lte: 100", "    lte: 99"]]);
      for (let seed = 1; seed <= 4; seed += 1) {
        writeFileSync(join(root, "mixed.binpb"), reorder(old, createRandom(seed)));
        writeContracts(root, { [file]: contractOf("case", 1) });
        expect(await findingsOf(["breaking", "proto", "--against", "mixed.binpb"], root)).toEqual([]);
        writeContracts(root, { [file]: changed });
        expect(await findingsOf(["breaking", "proto", "--against", "mixed.binpb"], root)).toMatchObject([
          { type: "FIELD_RULES_NO_TIGHTEN", path: `proto/${file}` },
        ]);
      }
    });
  });
});
