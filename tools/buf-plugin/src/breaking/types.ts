import type { DescEnum, DescEnumValue, DescMessage } from "@bufbuild/protobuf";
import { breaks, type Finding } from "../finding.js";
import { common, type Pair } from "./pair.js";
import { isReserved } from "./reserved.js";

/** Messages and enums that are gone, and values of enums that are gone or have another name. */
export function compareDeclarations(pair: Pair): Finding[] {
  const { old, now, usage } = pair;
  const findings: Finding[] = [];
  for (const type of [...old.messages.values(), ...old.enums.values()]) {
    const isThere = now.messages.has(type.typeName) || now.enums.has(type.typeName);
    if (!isThere && usage.isLive(type)) findings.push(removed(type, pair));
  }
  for (const { was, is } of common(old.enums, now.enums)) {
    for (const value of was.values) findings.push(...compareValue(value, is));
  }
  return findings;
}

function removed(was: DescMessage | DescEnum, { now }: Pair): Finding {
  const parent = was.parent === undefined ? undefined : now.messages.get(was.parent.typeName);
  return breaks("TYPE_NO_DELETE_WHILE_USED", {
    at: parent ?? now.files.get(was.file.proto.name),
    was,
    what: `${was.typeName} is gone, and something that was not deprecated used it`,
    direction: "old caller → new server",
    effect: "methods, fields, outboxes or rows of the release before still carry it",
    safely:
      "1. deprecate the methods and fields that use it (or itself, where nothing does), and move to what replaces it; 2. remove it with them when no live release has them undeprecated",
  });
}

function compareValue(was: DescEnumValue, is: DescEnum): Finding[] {
  const same = is.values.filter(({ number }) => number === was.number);
  if (same.some(({ name }) => name === was.name)) return [];
  const [renamed] = same;
  if (renamed !== undefined) return [valueRenamed(was, renamed)];
  const isDeprecated = was.deprecated;
  if (isDeprecated && isReserved(is, was.number, was.name)) return [];
  const lacks = isDeprecated ? "its number and name are not reserved" : "was not deprecated";
  return [
    breaks("ENUM_VALUE_NO_DELETE_UNLESS_DEPRECATED", {
      at: is,
      was,
      what: `${was.name} (${was.number}) of ${was.parent.typeName} is gone, and ${lacks}`,
      direction: "old caller → new server",
      effect: "the value can still arrive: it is refused where only defined values are allowed, and unknown elsewhere",
      safely: `1. mark it \`[deprecated = true]\`, and let nobody send or store it; 2. when no live release has it undeprecated, remove it with \`reserved ${was.number};\` and \`reserved "${was.name}";\``,
    }),
  ];
}

function valueRenamed(was: DescEnumValue, is: DescEnumValue): Finding {
  return breaks("ENUM_VALUE_NO_RENAME", {
    at: is,
    was,
    what: `${was.name} (${was.number}) of ${was.parent.typeName} was renamed to ${is.name}`,
    direction: "old caller → new server",
    effect: "JSON carries the name: the other side does not know it, and refuses the message",
    safely:
      "1. add a value beside it with a number of its own, which both sides understand, and send it in the next release; 2. deprecate this one, and remove and reserve it when no live release sends it",
  });
}
