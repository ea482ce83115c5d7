import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import {
  type OutboxOptions,
  OutboxScope,
  outbox as outboxOption,
  SiloMode,
} from "@cellway/gen/cellway/contract/v1/options";
import { breaks, type Finding } from "../finding.js";
import { common, hasSameOptions, type Pair } from "./pair.js";

const BESIDE =
  "1. add a message with a category of its own, and a receiver for it; 2. in the next release send it in place of this one, deprecate this one, and remove it when no live release sends it and no row of it waits (`cellway outbox status`)";

/** What is wrong with the outbox categories of a released contract: their rows outlive the process that wrote them. */
export function compareOutboxes({ old, now }: Pair): Finding[] {
  const findings: Finding[] = [];
  for (const { was, is } of common(old.messages, now.messages)) {
    if (hasOption(was, outboxOption) && !hasSameOptions(was, is)) findings.push(...compareOptions(was, is));
  }
  const owners = new Map<number, DescMessage>();
  for (const message of old.messages.values()) {
    if (hasOption(message, outboxOption)) owners.set(getOption(message, outboxOption).category, message);
  }
  for (const is of now.messages.values()) {
    if (!hasOption(is, outboxOption)) continue;
    const { category } = getOption(is, outboxOption);
    const was = owners.get(category);
    if (was !== undefined && was.typeName !== is.typeName) findings.push(taken(category, was, is));
  }
  return findings;
}

function taken(category: number, was: DescMessage, is: DescMessage): Finding {
  return breaks("OUTBOX_SAME_POLICY", {
    at: is,
    was,
    what: `Category ${category} was ${was.typeName} and is now ${is.typeName}`,
    direction: "old caller → new server",
    effect: "rows of the one are read as the other",
    safely: BESIDE,
  });
}

function compareOptions(was: DescMessage, is: DescMessage): Finding[] {
  if (!hasOption(is, outboxOption)) {
    if (was.deprecated) return [];
    const what = `${was.typeName} is no longer the content of an outbox category, and was not deprecated`;
    return [breaks("OUTBOX_SAME_POLICY", { at: is, was, what, ...UNKNOWN, safely: BESIDE })];
  }
  const before = getOption(was, outboxOption);
  const after = getOption(is, outboxOption);
  return ASPECTS.filter(({ read }) => read(before) !== read(after)).map(({ name, read, effect }) =>
    breaks("OUTBOX_SAME_POLICY", {
      at: is,
      was,
      what: `${name} of ${was.typeName} changed from ${read(before)} to ${read(after)}`,
      direction: "old caller → new server",
      effect,
      safely: BESIDE,
    }),
  );
}

const UNKNOWN = {
  direction: "old caller → new server",
  effect: "rows that wait, and what old senders write, are refused as CATEGORY_UNKNOWN and parked",
} as const;

const ASPECTS: readonly { name: string; read: (options: OutboxOptions) => string | number; effect: string }[] = [
  { name: "category", read: ({ category }) => category, effect: UNKNOWN.effect },
  {
    name: "sent_by",
    read: ({ sentBy }) => SiloMode[sentBy] ?? sentBy,
    effect: "what old senders write goes to a side that does not take it",
  },
  {
    name: "scope",
    read: ({ scope }) => OutboxScope[scope] ?? scope,
    effect: "rows of both versions have shards of different kinds: ownership is checked against the wrong id",
  },
  {
    name: "ordered_with",
    read: ({ orderedWith }) => orderedWith,
    effect: "rows of the two versions stand in different orders, and a newer state is overwritten by an older one",
  },
];
