import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type SourceCodeInfo,
  SourceCodeInfoSchema,
} from "@bufbuild/protobuf/wkt";
import type { CATEGORY, Rule } from "./rules.js";

// The parts of pluginrpc 1 and of buf.plugin.check.v1 that are used, by field number: a request is {1: Any}, a
// response {1: Any} or {2: {1: code, 2: message}}, and the content of the Any is what each function says.

const SERVICE = "/buf.plugin.check.v1.CheckService";

/** The procedures, by what they do. */
export const PROCEDURES = {
  check: `${SERVICE}/Check`,
  listRules: `${SERVICE}/ListRules`,
  listCategories: `${SERVICE}/ListCategories`,
} as const;

/** One file of what is to be checked. */
export interface ContractFile {
  /** Without its source info, which is most of it and rarely asked for. */
  readonly proto: FileDescriptorProto;
  /** Comments and places, by a look at them only. */
  readonly readSourceInfo: () => SourceCodeInfo | undefined;
  /** Of another module: looked at, never judged. */
  readonly isImport: boolean;
}

/** What buf asks to be checked. */
export interface CheckRequest {
  readonly files: readonly ContractFile[];
  /** The older contract; empty for lint. */
  readonly againstFiles: readonly ContractFile[];
  /** Only these rules; empty: those that are on unless switched off, which is every one. */
  readonly ruleIds: ReadonlySet<string>;
}

/** A place in a file: the path of field numbers and indexes that leads to a descriptor. */
export interface Location {
  readonly file: string;
  readonly path: readonly number[];
}

/** A finding as buf prints it. */
export interface Annotation {
  readonly ruleId: string;
  readonly message: string;
  readonly at: Location | undefined;
  readonly againstAt: Location | undefined;
}

/** Reads what comes on standard input for `check`. */
export function readCheckRequest(bytes: Uint8Array): CheckRequest {
  const files: ContractFile[] = [];
  const againstFiles: ContractFile[] = [];
  const ruleIds = new Set<string>();
  const envelope = readFields(bytes).get(1)?.[0];
  const content = envelope === undefined ? undefined : readFields(envelope).get(2)?.[0];
  const fields = readFields(content ?? new Uint8Array());
  const known: KnownFile[] = [];
  for (const file of fields.get(1) ?? []) files.push(readFile(file, known));
  for (const file of fields.get(2) ?? []) againstFiles.push(readFile(file, known));
  for (const id of fields.get(4) ?? []) ruleIds.add(new TextDecoder().decode(id));
  return { files, againstFiles, ruleIds };
}

/** The answer of `check`. */
export function writeCheckResponse(annotations: readonly Annotation[]): Uint8Array {
  const content = new BinaryWriter();
  for (const { ruleId, message, at, againstAt } of annotations) {
    content.uint32(tag(1)).fork();
    content.uint32(tag(1)).string(ruleId).uint32(tag(2)).string(message);
    if (at !== undefined) writeLocation(content.uint32(tag(3)), at);
    if (againstAt !== undefined) writeLocation(content.uint32(tag(4)), againstAt);
    content.join();
  }
  return writeResponse("buf.plugin.check.v1.CheckResponse", content);
}

/** The answer of `--spec`. */
export function writeSpec(): Uint8Array {
  const spec = new BinaryWriter();
  for (const path of Object.values(PROCEDURES)) spec.uint32(tag(1)).fork().uint32(tag(1)).string(path).join();
  return spec.finish();
}

/** The answer of `listRules`. */
export function writeRules(rules: readonly Rule[], categoryId: string): Uint8Array {
  const content = new BinaryWriter();
  for (const { id, kind, purpose } of rules) {
    content.uint32(tag(2)).fork();
    content.uint32(tag(1)).string(id).uint32(tag(2)).string(categoryId);
    content.uint32(tag(3, WireType.Varint)).bool(true).uint32(tag(4)).string(purpose);
    content.uint32(tag(5, WireType.Varint)).uint32(kind === "lint" ? 1 : 2);
    content.join();
  }
  return writeResponse("buf.plugin.check.v1.ListRulesResponse", content);
}

/** The answer of `listCategories`. */
export function writeCategories({ id, purpose }: typeof CATEGORY): Uint8Array {
  const content = new BinaryWriter();
  content.uint32(tag(2)).fork().uint32(tag(1)).string(id).uint32(tag(2)).string(purpose).join();
  return writeResponse("buf.plugin.check.v1.ListCategoriesResponse", content);
}

/** The answer where nothing could be answered. */
export function writeFailure(message: string): Uint8Array {
  const INTERNAL = 13;
  const error = new BinaryWriter().uint32(tag(2)).fork();
  error.uint32(tag(1, WireType.Varint)).uint32(INTERNAL).uint32(tag(2)).string(message);
  return error.join().finish();
}

function writeResponse(typeName: string, content: BinaryWriter): Uint8Array {
  const response = new BinaryWriter().uint32(tag(1)).fork();
  response.uint32(tag(1)).string(`type.googleapis.com/${typeName}`).uint32(tag(2)).bytes(content.finish());
  return response.join().finish();
}

function writeLocation(writer: BinaryWriter, { file, path }: Location): void {
  writer.fork().uint32(tag(1)).string(file);
  if (path.length > 0) {
    writer.uint32(tag(2)).fork();
    for (const part of path) writer.int32(part);
    writer.join();
  }
  writer.join();
}

interface KnownFile {
  readonly bytes: Buffer;
  readonly proto: FileDescriptorProto;
}

/** @param known Files that were read: what is the same in both contracts is read once, and is one object. */
function readFile(bytes: Uint8Array, known: KnownFile[]): ContractFile {
  const fields = readFields(bytes);
  const [rest, info] = splitSourceInfo(fields.get(1)?.[0] ?? new Uint8Array());
  const twin = known.find((file) => file.bytes.equals(rest));
  const proto = twin?.proto ?? fromBinary(FileDescriptorProtoSchema, rest);
  if (twin === undefined) known.push({ bytes: rest, proto });
  return {
    proto,
    readSourceInfo: () => (info === undefined ? undefined : fromBinary(SourceCodeInfoSchema, info)),
    isImport: (fields.get(2)?.[0]?.[0] ?? 0) === 1,
  };
}

/** A file descriptor in two: all of it but its source info, and that. */
function splitSourceInfo(file: Uint8Array): [rest: Buffer, info: Uint8Array | undefined] {
  const SOURCE_INFO = 9;
  const rest: Uint8Array[] = [];
  let info: Uint8Array | undefined;
  const reader = new BinaryReader(file);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    if (number === SOURCE_INFO && wireType === WireType.LengthDelimited) {
      info = reader.bytes();
    } else {
      reader.skip(wireType, number);
      rest.push(file.subarray(start, reader.pos));
    }
  }
  return [Buffer.concat(rest), info];
}

/** The fields of a message by number: the bytes of strings and messages; of a boolean one byte. */
export function readFields(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    let value: Uint8Array;
    if (wireType === WireType.LengthDelimited) value = reader.bytes();
    else if (wireType === WireType.Varint) value = Uint8Array.of(Number(BigInt.asUintN(8, BigInt(reader.uint64()))));
    else {
      reader.skip(wireType, number);
      continue;
    }
    const values = fields.get(number);
    if (values === undefined) fields.set(number, [value]);
    else values.push(value);
  }
  return fields;
}

function tag(number: number, wireType: WireType = WireType.LengthDelimited): number {
  return (number << 3) | wireType;
}
