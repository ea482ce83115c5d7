import type { DescField } from "@bufbuild/protobuf";
import { type Bound, IGNORES, type Parts, partsOf, type Range } from "./parts.js";
import { acceptsZero } from "./required.js";

/** What the rules of a field refuse that they did not refuse before, in words; `required` aside. */
export function tightenings(was: DescField, is: DescField): string[] {
  const before = partsOf(was);
  const after = partsOf(is);
  if (after.ignores === IGNORES.always) return [];
  const found = compareParts(before.ignores === IGNORES.always ? undefined : before, after);
  const heedsZero = after.ignores < before.ignores && !acceptsZero(after, is);
  if (heedsZero && before.ignores === IGNORES.zero) found.push("its rules now hold for the zero value too");
  return found;
}

/** @param before undefined where there were no rules. */
function compareParts(before: Parts | undefined, after: Parts): string[] {
  const found: string[] = [];
  for (const [of, range] of after.ranges) found.push(...compareRanges(of, before?.ranges.get(of) ?? {}, range));
  found.push(...compareSets(before, after));
  for (const flag of after.flags) if (before?.flags.has(flag) !== true) found.push(`${flag} is new`);
  for (const [name, value] of after.exact) {
    const old = before?.exact.get(name);
    if (old === undefined) found.push(value === "true" ? `${name} is new` : `${name} ${value} is new`);
    else if (old !== value) found.push(`${name} changed from ${old} to ${value}`);
  }
  for (const rule of after.cel) if (before?.cel.has(rule) !== true) found.push(`the CEL rule ${rule} is new`);
  for (const [name, inner] of after.inner) {
    found.push(...compareParts(before?.inner.get(name), inner).map((text) => `${name}: ${text}`));
  }
  return found;
}

function compareSets(before: Parts | undefined, after: Parts): string[] {
  const found: string[] = [];
  if (after.allowed !== undefined) {
    const lost = before?.allowed === undefined ? undefined : without(before.allowed, after.allowed);
    if (lost === undefined) found.push(`only ${[...after.allowed].join(", ")} is allowed now`);
    else if (lost.length > 0) found.push(`${lost.join(", ")} is no longer allowed`);
  }
  const refused = without(after.refused, before?.refused ?? new Set());
  // What was not allowed before can be refused by name as well.
  const newly = refused.filter((value) => before?.allowed === undefined || before.allowed.has(value));
  if (newly.length > 0) found.push(`${newly.join(", ")} is refused now`);
  return found;
}

function without(all: ReadonlySet<string>, known: ReadonlySet<string>): string[] {
  return [...all].filter((value) => !known.has(value));
}

function compareRanges(of: string, before: Range, after: Range): string[] {
  // An upper end below the lower one means all that is outside: a shape that is kept or not.
  if (isInverted(before) || isInverted(after)) {
    const isSame = describe(before.lower) === describe(after.lower) && describe(before.upper) === describe(after.upper);
    return isSame ? [] : [`${of}: ${describeRange(before)} became ${describeRange(after)}`];
  }
  const found: string[] = [];
  if (after.lower !== undefined && isBeyond(after.lower, before.lower, 1) && !isNothing(of, after.lower)) {
    found.push(`the least ${of} rose from ${describe(before.lower)} to ${describe(after.lower)}`);
  }
  if (after.upper !== undefined && isBeyond(after.upper, before.upper, -1)) {
    found.push(`the greatest ${of} fell from ${describe(before.upper)} to ${describe(after.upper)}`);
  }
  return found;
}

function isInverted({ lower, upper }: Range): boolean {
  return lower !== undefined && upper !== undefined && lower.value > upper.value;
}

/** Whether a bound cuts off more than the one before, upwards (1) or downwards (-1). */
function isBeyond(bound: Bound, before: Bound | undefined, direction: 1 | -1): boolean {
  if (before === undefined) return true;
  if (bound.value === before.value) return bound.isOpen && !before.isOpen;
  return direction === 1 ? bound.value > before.value : bound.value < before.value;
}

/** A least length of 0 asks for nothing. */
function isNothing(of: string, lower: Bound): boolean {
  return of !== "value" && lower.value <= 0;
}

function describe(bound: Bound | undefined): string {
  return bound === undefined ? "none" : `${bound.value}${bound.isOpen ? " (excluded)" : ""}`;
}

function describeRange({ lower, upper }: Range): string {
  return `${describe(lower)} to ${describe(upper)}`;
}
