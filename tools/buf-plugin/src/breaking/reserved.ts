import type { DescEnum, DescMessage } from "@bufbuild/protobuf";
import { breaks, type Finding } from "../finding.js";
import { common, type Pair } from "./pair.js";

/** First and last number, both included. */
type Range = readonly [first: number, last: number];

/** Whether both a number and a name can never be used again. */
export function isReserved(type: DescMessage | DescEnum, number: number, name: string): boolean {
  return (
    rangesOf(type).some(([first, last]) => first <= number && number <= last) && type.proto.reservedName.includes(name)
  );
}

/** What was reserved and is not any more. */
export function compareReserved({ old, now }: Pair): Finding[] {
  const pairs = [...common(old.messages, now.messages), ...common(old.enums, now.enums)];
  return pairs.flatMap(({ was, is }) => {
    const lost = [
      ...rangesOf(was)
        .filter((range) => !isCovered(range, rangesOf(is)))
        .map(([first, last]) => (first === last ? String(first) : `${first} to ${last}`)),
      ...was.proto.reservedName.filter((name) => !is.proto.reservedName.includes(name)).map((name) => `"${name}"`),
    ];
    if (lost.length === 0) return [];
    return [
      breaks("RESERVED_NO_DELETE", {
        at: is,
        was,
        what: `${was.typeName} no longer reserves ${lost.join(", ")}`,
        direction: "old caller → new server",
        effect: "what takes the number or the name is read as what had it, also in rows that wait in outboxes",
        safely: "1. keep the reservation for good; 2. give what is new a number and a name that were never used",
      }),
    ];
  });
}

function isCovered([first, last]: Range, by: readonly Range[]): boolean {
  let next = first;
  for (const [from, to] of [...by].sort(([a], [b]) => a - b)) {
    if (from <= next && next <= to) next = to + 1;
  }
  return next > last;
}

/** Of a message the end of a reserved range is excluded in descriptors, of an enum it is included. */
function rangesOf(type: DescMessage | DescEnum): Range[] {
  const excluded = type.kind === "message" ? 1 : 0;
  return type.proto.reservedRange.map(({ start, end }) => [start, end - excluded]);
}
