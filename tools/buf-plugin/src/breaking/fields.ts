import type { DescExtension, DescField, DescMessage } from "@bufbuild/protobuf";
import { getOption, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import { oneof as oneofRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { breaks, type Finding } from "../finding.js";
import { needsValue } from "../validation/required.js";
import { common, type Pair } from "./pair.js";
import { isReserved } from "./reserved.js";

const BESIDE =
  "1. add a field beside it that new code fills and reads, and go on filling this one; 2. mark this one `deprecated = true`, and remove and reserve it when no live release uses it";

/** What is wrong with the fields of a released contract, validation aside. */
export function compareFields(pair: Pair): Finding[] {
  const findings: Finding[] = [];
  for (const { was, is } of common(pair.old.messages, pair.now.messages)) {
    for (const field of was.fields) {
      const next = is.fields.find(({ number }) => number === field.number);
      if (next === undefined) findings.push(...removed(pair, field, is));
      else findings.push(...compareNames(field, next), ...compareTypes(field, next), ...comparePresence(field, next));
    }
  }
  for (const [name, was] of pair.old.extensions) {
    const is = pair.now.extensions.get(name);
    if (is !== undefined) findings.push(...compareTypes(was, is), ...comparePresence(was, is));
  }
  return findings;
}

function removed({ usage }: Pair, was: DescField, is: DescMessage): Finding[] {
  const what = `${nameOf(was)} (number ${was.number}) is gone`;
  const found = { at: is, was };
  if (!was.deprecated) {
    return [
      breaks("FIELD_NO_DELETE_UNLESS_DEPRECATED", {
        ...found,
        what: `${what}, and was not deprecated`,
        direction: "old caller → new server",
        effect: "what the other side still fills is dropped without a word, and what it still reads is never filled",
        safely:
          "1. mark it `deprecated = true`, and stop reading it; 2. when no live release has it undeprecated, remove it and reserve its number and its name",
      }),
    ];
  }
  if (usage.isValidated(was.parent) && (needsValue(was) || wasLastOfRequired(was, is))) {
    return [
      breaks("FIELD_NO_DELETE_UNLESS_DEPRECATED", {
        ...found,
        what: `${what}, and its rules demanded a value`,
        direction: "new caller → old server",
        effect: "old servers refuse what comes without it: INVALID_ARGUMENT",
        safely:
          "1. drop the rules that demand a value (required, min_len, gt …) while it is deprecated; 2. remove and reserve it when no live release has them",
      }),
    ];
  }
  if (isReserved(is, was.number, was.name)) return [];
  return [
    breaks("FIELD_NO_DELETE_UNLESS_DEPRECATED", {
      ...found,
      what: `${what}, and its number and name are not reserved`,
      direction: "old caller → new server",
      effect: "a field that takes the number or the name later is read as this one",
      safely: `1. it was deprecated, which is done; 2. remove it with \`reserved ${was.number};\` and \`reserved "${was.name}";\``,
    }),
  ];
}

/** Whether a field was in a oneof that had to be set, of which nothing is left that could be set. */
function wasLastOfRequired({ oneof }: DescField, is: DescMessage): boolean {
  if (oneof === undefined || !getOption(oneof, oneofRules).required) return false;
  return !oneof.fields.some(({ number }) => is.fields.some((field) => field.number === number));
}

function compareNames(was: DescField, is: DescField): Finding[] {
  if (was.name === is.name && was.jsonName === is.jsonName) return [];
  const what =
    was.name === is.name
      ? `${nameOf(was)} changed its JSON name from "${was.jsonName}" to "${is.jsonName}"`
      : `${nameOf(was)} was renamed to ${is.name}`;
  return [
    breaks("FIELD_NO_RENAME", {
      at: is,
      was,
      what,
      direction: "old caller → new server",
      effect: "update masks and JSON carry names: the other side does not know this one, and drops or refuses it",
      safely: BESIDE,
    }),
  ];
}

function compareTypes(was: DescField | DescExtension, is: DescField | DescExtension): Finding[] {
  const before = describeType(was);
  const after = describeType(is);
  if (before === after && was.number === is.number) return [];
  return [
    breaks("FIELD_NO_RETYPE", {
      at: is,
      was,
      what:
        before === after
          ? `${nameOf(was)} changed its number from ${was.number} to ${is.number}`
          : `${nameOf(was)} changed from ${before} to ${after}`,
      direction: "old caller → new server",
      effect: "each side reads the other's value as garbage, cuts it off, or not at all",
      safely: BESIDE,
    }),
  ];
}

/** As a `.proto` file writes it, with full names. */
function describeType(field: DescField | DescExtension): string {
  const single = field.message?.typeName ?? field.enum?.typeName ?? nameOfScalar(field.scalar);
  if (field.fieldKind === "map") return `map<${nameOfScalar(field.mapKey)}, ${single}>`;
  return field.fieldKind === "list" ? `repeated ${single}` : single;
}

function nameOfScalar(type: ScalarType | undefined): string {
  return type === undefined ? "?" : ScalarType[type].toLowerCase();
}

function comparePresence(was: DescField | DescExtension, is: DescField | DescExtension): Finding[] {
  const before = describePresence(was);
  const after = describePresence(is);
  if (before === after || describeType(was) !== describeType(is)) return [];
  const isLost = was.presence === Presence.EXPLICIT && is.presence === Presence.IMPLICIT;
  return [
    breaks("FIELD_SAME_PRESENCE", {
      at: is,
      was,
      what: `${nameOf(was)} changed from ${before} to ${after}`,
      direction: isLost ? "old caller → new server" : "new caller → old server",
      effect: isLost
        ? 'what was sent as set to its zero value ("", 0, false) is read as not set, and the other way round'
        : "what one side sends as set, or as one of several, the other reads as not set, or beside them",
      safely: BESIDE,
    }),
  ];
}

function describePresence(field: DescField | DescExtension): string {
  if (field.oneof !== undefined) return `a member of oneof ${field.oneof.name}`;
  if (field.fieldKind === "list" || field.fieldKind === "map") return "a list";
  if (field.presence === Presence.LEGACY_REQUIRED) return "required";
  return field.presence === Presence.EXPLICIT ? "a field with presence (optional)" : "a field without presence";
}

function nameOf(field: DescField | DescExtension): string {
  return field.kind === "extension" ? field.typeName : `${field.parent.name}.${field.name}`;
}
