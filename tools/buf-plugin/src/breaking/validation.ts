import { type DescField, type DescMessage, type DescOneof, getOption } from "@bufbuild/protobuf";
import {
  type MessageOneofRule,
  message as messageRules,
  oneof as oneofRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { breaks, type Finding } from "../finding.js";
import { tightenings } from "../validation/compare.js";
import { IGNORES, partsOf } from "../validation/parts.js";
import { needsValue } from "../validation/required.js";
import { common, hasSameOptions, type Pair } from "./pair.js";

const REFUSED =
  "what callers of the release before send without it is refused: INVALID_ARGUMENT, or parked in an outbox";
const REQUIRE =
  "1. keep it optional, give its absence a meaning, and let callers set it; 2. when no live release leaves it out, refuse its absence in the implementation, not in the contract";
const TIGHTEN =
  "1. leave the rule as it is, and let callers keep to the stricter one; 2. when no live release sends more, refuse it in the implementation, or move callers to a new field that has the stricter rule";

/** What is refused by the rules of messages that are received, and was not. Responses are validated by nobody. */
export function compareValidation({ old, now, usage }: Pair): Finding[] {
  const findings: Finding[] = [];
  for (const { was, is } of common(old.messages, now.messages)) {
    if (!usage.isValidated(was)) continue;
    for (const field of is.fields) {
      const before = was.fields.find(({ number }) => number === field.number);
      findings.push(...(before === undefined ? added(field, was) : compareRules(before, field)));
    }
    for (const oneof of is.oneofs) findings.push(...compareOneofs(was, oneof));
    findings.push(...compareMessages(was, is));
  }
  return findings;
}

function added(is: DescField, was: DescMessage): Finding[] {
  if (!needsValue(is)) return [];
  const what = `${nameOf(is)} is new, and its rules demand a value`;
  return [required({ at: is, was, what })];
}

function compareRules(was: DescField, is: DescField): Finding[] {
  if (hasSameOptions(was, is) && hasSameOptions(was.parent, is.parent)) return [];
  const findings: Finding[] = [];
  if (demands(is) && !demands(was)) findings.push(required({ at: is, was, what: `${nameOf(is)} became required` }));
  const found = tightenings(was, is);
  if (found.length > 0)
    findings.push(tightened({ at: is, was, what: `The rules of ${nameOf(is)} became stricter: ${found.join("; ")}` }));
  return findings;
}

function demands(field: DescField): boolean {
  const { isRequired, ignores } = partsOf(field);
  return isRequired && ignores !== IGNORES.always;
}

function compareOneofs(was: DescMessage, is: DescOneof): Finding[] {
  const before = was.oneofs.find(({ name }) => name === is.name);
  if (!getOption(is, oneofRules).required) return [];
  if (before !== undefined && getOption(before, oneofRules).required) return [];
  const what = `oneof ${is.name} of ${is.parent.name} ${before === undefined ? "is new and" : "became"} required`;
  return [required({ at: is, was: before ?? was, what })];
}

function compareMessages(was: DescMessage, is: DescMessage): Finding[] {
  if (hasSameOptions(was, is)) return [];
  const before = getOption(was, messageRules);
  const after = getOption(is, messageRules);
  const known = new Set([...before.cel.map(({ expression }) => expression), ...before.celExpression]);
  const found = [...after.cel.map(({ expression }) => expression), ...after.celExpression]
    .filter((expression) => !known.has(expression))
    .map((expression) => `the CEL rule ${expression} is new`);
  for (const group of after.oneof) {
    if (!before.oneof.some((old) => isWider(group, old, was))) found.push(`one of ${group.fields.join(", ")} is new`);
  }
  if (found.length === 0) return [];
  return [tightened({ at: is, was, what: `The rules of ${is.name} became stricter: ${found.join("; ")}` })];
}

/** Whether a group of fields, of which at most one is set, bears all that its older self did. */
function isWider(group: MessageOneofRule, old: MessageOneofRule, was: DescMessage): boolean {
  if (group.required && (!old.required || old.fields.some((name) => !group.fields.includes(name)))) return false;
  return group.fields.every((name) => old.fields.includes(name) || !was.fields.some((field) => field.name === name));
}

interface Change {
  readonly at: DescField | DescOneof | DescMessage;
  readonly was: DescField | DescOneof | DescMessage;
  readonly what: string;
}

function required(change: Change): Finding {
  return breaks("FIELD_NO_ADD_REQUIRED", {
    ...change,
    direction: "old caller → new server",
    effect: REFUSED,
    safely: REQUIRE,
  });
}

function tightened(change: Change): Finding {
  return breaks("FIELD_RULES_NO_TIGHTEN", {
    ...change,
    direction: "old caller → new server",
    effect: "what callers of the release before may send is refused: INVALID_ARGUMENT, or parked in an outbox",
    safely: TIGHTEN,
  });
}

function nameOf(field: DescField): string {
  return `${field.parent.name}.${field.name}`;
}
