import { type DescField, type DescMessage, type DescMethod, type DescService, isFieldSet } from "@bufbuild/protobuf";
import type { CountedSubject } from "@cellway/telemetry";
import { methodPolicyOf } from "./contract.js";

/** What is deprecated of a method, and of its requests. */
export interface MethodDeprecations {
  /** The method itself: its service or it is deprecated. */
  readonly method: CountedSubject | undefined;
  /** Every deprecated field that a request can set, however deep. */
  readonly fields: readonly CountedSubject[];
  /** Adds the names of those that a request sets. Looks no further than where there can be one. */
  readonly collectUsed: (request: object, names: Set<string>) => void;
}

const known = new WeakMap<DescMethod, MethodDeprecations | "none">();

/** What of a method is deprecated; undefined when nothing is. */
export function deprecationsOf(method: DescMethod): MethodDeprecations | undefined {
  let deprecations = known.get(method);
  if (deprecations === undefined) {
    deprecations = readDeprecations(method) ?? "none";
    known.set(method, deprecations);
  }
  return deprecations === "none" ? undefined : deprecations;
}

/**
 * Everything that is deprecated of what can be sent to these services: a method as `directory.SyncOrganization`, a field of
 * requests by its full name. What servers count is exactly this.
 *
 * Not in it, because a server does not see who uses it: fields of responses, values of enums, and what is inside of a
 * `google.protobuf.Any` or of bytes.
 */
export function deprecatedSubjectsOf(services: Iterable<DescService>): CountedSubject[] {
  const subjects = new Map<string, CountedSubject>();
  for (const service of services) {
    for (const method of service.methods) {
      const { method: own, fields = [] } = deprecationsOf(method) ?? {};
      for (const subject of own === undefined ? fields : [own, ...fields])
        subjects.set(`${subject.kind} ${subject.subject}`, subject);
    }
  }
  return [...subjects.values()];
}

/** The deprecated fields that these services can answer with, by full name. Who reads them is seen by nobody. */
export function deprecatedResponseFieldsOf(services: Iterable<DescService>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const service of services) {
    for (const { output } of service.methods) {
      for (const { deprecated } of planMessages(output).values())
        for (const field of deprecated) names.add(nameOf(field));
    }
  }
  return names;
}

function readDeprecations(method: DescMethod): MethodDeprecations | undefined {
  const isDeprecated = method.deprecated || method.parent.deprecated;
  const plans = planMessages(method.input);
  const fields = [...plans.values()].flatMap(({ deprecated }) => deprecated.map(nameOf));
  if (!isDeprecated && fields.length === 0) return undefined;
  return {
    method: isDeprecated ? { kind: "METHOD", subject: methodPolicyOf(method).name } : undefined,
    fields: fields.map((subject) => ({ kind: "FIELD", subject })),
    collectUsed: (request, names) => collect(request, method.input, plans, names),
  };
}

/** What to look at in a message. */
interface MessagePlan {
  readonly deprecated: readonly DescField[];
  /** Fields with messages in which there may be more. */
  readonly nested: readonly DescField[];
}

/** The plans of the messages in a request in which, or below which, a field is deprecated. */
function planMessages(root: DescMessage): ReadonlyMap<DescMessage, MessagePlan> {
  const reachable = new Set([root]);
  // A set that grows while it is gone through is gone through to its end.
  for (const message of reachable) for (const field of message.fields) if (field.message) reachable.add(field.message);
  const relevant = new Set([...reachable].filter(({ fields }) => fields.some(({ deprecated }) => deprecated)));
  for (let size = -1; size !== relevant.size; ) {
    size = relevant.size;
    for (const message of reachable) if (nestedIn(message, relevant).length > 0) relevant.add(message);
  }
  return new Map(
    [...relevant].map((message) => [
      message,
      { deprecated: message.fields.filter(({ deprecated }) => deprecated), nested: nestedIn(message, relevant) },
    ]),
  );
}

function nestedIn(message: DescMessage, relevant: ReadonlySet<DescMessage>): DescField[] {
  return message.fields.filter((field) => field.message !== undefined && relevant.has(field.message));
}

function collect(
  message: object,
  desc: DescMessage,
  plans: ReadonlyMap<DescMessage, MessagePlan>,
  names: Set<string>,
): void {
  const plan = plans.get(desc);
  if (plan === undefined) return;
  for (const field of plan.deprecated) if (isSet(message, field)) names.add(nameOf(field));
  for (const field of plan.nested) {
    if (field.message === undefined || !isSet(message, field)) continue;
    for (const nested of messagesIn(readField(message, field), field)) collect(nested, field.message, plans, names);
  }
}

function isSet(message: object, field: DescField): boolean {
  return isFieldSet(message as Parameters<typeof isFieldSet>[0], field);
}

function readField(message: object, field: DescField): unknown {
  const values = message as Readonly<Record<string, unknown>>;
  if (field.oneof === undefined) return values[field.localName];
  return (values[field.oneof.localName] as { readonly value?: unknown }).value;
}

function messagesIn(value: unknown, field: DescField): readonly object[] {
  if (field.fieldKind === "list") return value as object[];
  if (field.fieldKind === "map") return Object.values(value as Record<string, object>);
  return [value as object];
}

function nameOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}
