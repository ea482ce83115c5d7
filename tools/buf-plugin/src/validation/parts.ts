import { type DescField, getOption, hasOption, type Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Duration, FieldMask } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
  Ignore,
  message as messageRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** One end of what is allowed. */
export interface Bound {
  /** Of floats a number; of the rest a bigint, of times in nanoseconds. */
  readonly value: number | bigint;
  /** Whether the value itself is outside; false for whole numbers, whose bounds are written as the last one inside. */
  readonly isOpen: boolean;
}

/** What is allowed, from one end to the other. */
export interface Range {
  readonly lower?: Bound;
  readonly upper?: Bound;
}

/** When a field's rules are not looked at, the more the greater. */
export const IGNORES = { never: 0, zero: 1, always: 2 } as const;

/** The rules of a field taken apart, so that each part can be compared with its older self, in whatever order it came. */
export interface Parts {
  readonly isRequired: boolean;
  readonly ignores: (typeof IGNORES)[keyof typeof IGNORES];
  /** By what is measured: `value`, `len`, `bytes`, `items`, `pairs`, `within`. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** From `in` and `const`; undefined for everything. */
  readonly allowed: ReadonlySet<string> | undefined;
  /** From `not_in`. */
  readonly refused: ReadonlySet<string>;
  /** Rules that hold or do not: `unique`, `defined_only` … */
  readonly flags: ReadonlySet<string>;
  /** Rules of which nobody can say which is stricter: patterns, prefixes, formats, and what is not known here. */
  readonly exact: ReadonlyMap<string, string>;
  /** CEL expressions. */
  readonly cel: ReadonlySet<string>;
  /** The rules of what a list or a map holds: `items`, `keys`, `values`. */
  readonly inner: ReadonlyMap<string, Parts>;
}

const known = new WeakMap<DescField, Parts>();

/** The rules of a field, taken apart. */
export function partsOf(field: DescField): Parts {
  const parts = known.get(field) ?? readParts(field);
  known.set(field, parts);
  return parts;
}

function readParts(field: DescField): Parts {
  if (!hasOption(field, fieldRules) && !hasOption(field.parent, messageRules)) return NO_RULES;
  const isOneOfSeveral = getOption(field.parent, messageRules).oneof.some(({ fields }) => fields.includes(field.name));
  const parts = takeApart(getOption(field, fieldRules));
  return isOneOfSeveral && parts.ignores === IGNORES.never ? { ...parts, ignores: IGNORES.zero } : parts;
}

/** The rules of a field that has none. */
const NO_RULES: Parts = {
  isRequired: false,
  ignores: IGNORES.never,
  ranges: new Map(),
  allowed: undefined,
  refused: new Set(),
  flags: new Set(),
  exact: new Map(),
  cel: new Set(),
  inner: new Map(),
};

function takeApart(rules: FieldRules): Parts {
  const { required, ignore, cel, celExpression, type } = rules;
  const parts = {
    isRequired: required,
    ignores: ignoresOf(ignore),
    ranges: new Map<string, Range>(),
    flags: new Set<string>(),
    exact: new Map<string, string>(),
    cel: new Set([...cel.map(({ expression }) => expression), ...celExpression]),
    inner: new Map<string, Parts>(),
  };
  addUnknown(parts.exact, rules);
  if (type.case === undefined) return { ...parts, allowed: undefined, refused: new Set() };
  const schema = FieldRulesSchema.fields.find(({ localName }) => localName === type.case)?.message;
  if (schema === undefined) throw new Error(`there are no rules called ${type.case}`);
  addUnknown(parts.exact, type.value);
  const set = reflect(schema, type.value);
  const values = new Map(set.fields.filter((each) => set.isSet(each)).map((each) => [each.name, set.get(each)]));
  for (const [name, value] of values) {
    if (!addRange(parts.ranges, { kind: type.case, name, value })) addOther(parts, { kind: type.case, name, value });
  }
  return { ...parts, ...readSets(type.case, values) };
}

function ignoresOf(ignore: Ignore): Parts["ignores"] {
  if (ignore === Ignore.ALWAYS) return IGNORES.always;
  return ignore === Ignore.IF_ZERO_VALUE ? IGNORES.zero : IGNORES.never;
}

interface Rule {
  /** `string`, `int32` … */
  readonly kind: string;
  readonly name: string;
  readonly value: unknown;
}

const RANGES: Readonly<Record<string, readonly [of: string, end: "lower" | "upper" | "both", isOpen?: boolean]>> = {
  len: ["len", "both"],
  min_len: ["len", "lower"],
  max_len: ["len", "upper"],
  len_bytes: ["bytes", "both"],
  min_bytes: ["bytes", "lower"],
  max_bytes: ["bytes", "upper"],
  min_items: ["items", "lower"],
  max_items: ["items", "upper"],
  min_pairs: ["pairs", "lower"],
  max_pairs: ["pairs", "upper"],
  gt: ["value", "lower", true],
  gte: ["value", "lower"],
  lt: ["value", "upper", true],
  lte: ["value", "upper"],
  within: ["within", "upper"],
};

function addRange(ranges: Map<string, Range>, { kind, name, value }: Rule): boolean {
  const [of, end, isOpen] = RANGES[name] ?? [];
  if (of === undefined || end === undefined) return false;
  const isFloat = kind === "float" || kind === "double";
  const at = isFloat ? Number(value) : toWhole(value);
  const bound = (inward: 1n | -1n): Bound =>
    typeof at === "bigint"
      ? { value: isOpen === true ? at + inward : at, isOpen: false }
      : { value: at, isOpen: isOpen === true };
  ranges.set(of, {
    ...ranges.get(of),
    ...(end !== "upper" && { lower: bound(1n) }),
    ...(end !== "lower" && { upper: bound(-1n) }),
  });
  return true;
}

/** A whole number; of durations and timestamps their nanoseconds. */
function toWhole(value: unknown): bigint {
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "string") return BigInt(value);
  const { seconds, nanos } = (value as ReflectMessage).message as Duration;
  return seconds * 1_000_000_000n + BigInt(nanos);
}

const SETS = new Set(["in", "not_in", "const"]);
const NOTES = new Set(["example"]);

function addOther(
  parts: { flags: Set<string>; exact: Map<string, string>; inner: Map<string, Parts> },
  { kind, name, value }: Rule,
): void {
  if (NOTES.has(name) || (SETS.has(name) && !(kind === "field_mask" && name === "const"))) return;
  if (name === "items" || name === "keys" || name === "values") {
    parts.inner.set(name, takeApart((value as ReflectMessage).message as FieldRules));
  } else if (value === true && kind !== "string" && kind !== "bytes") {
    parts.flags.add(name);
  } else if (value !== false || name === "strict") {
    parts.exact.set(name, keyOf(value));
  }
}

function readSets(kind: string, values: ReadonlyMap<string, unknown>): Pick<Parts, "allowed" | "refused"> {
  const list = (name: string) => new Set([...((values.get(name) as Iterable<unknown> | undefined) ?? [])].map(keyOf));
  const refused = list("not_in");
  if (values.has("const") && kind !== "field_mask") return { allowed: new Set([keyOf(values.get("const"))]), refused };
  return { allowed: values.has("in") ? list("in") : undefined, refused };
}

function keyOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value !== "object" || value === null) return String(value);
  const { message } = value as ReflectMessage;
  return message.$typeName === "google.protobuf.FieldMask"
    ? (message as FieldMask).paths.join(",")
    : toWhole(value).toString();
}

/** Rules that others defined are fields that nobody here knows. Their order means nothing. */
function addUnknown(exact: Map<string, string>, message: Message): void {
  for (const { no, data } of message.$unknown ?? []) {
    const known = exact.get(`rule ${no}`);
    const values = [...(known === undefined ? [] : known.split(" ")), Buffer.from(data).toString("hex")];
    exact.set(`rule ${no}`, values.sort().join(" "));
  }
}
