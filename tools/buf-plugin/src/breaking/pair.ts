import type { DescEnum, DescMessage, DescService } from "@bufbuild/protobuf";
import type { Contract } from "../contract-files.js";
import { type Usage, usageOf } from "./usage.js";

/** An older contract beside a newer one. */
export interface Pair {
  readonly old: Contract;
  readonly now: Contract;
  /** Who uses which type of the older one. */
  readonly usage: Usage;
}

/** Pairs two contracts. */
export function pairUp(old: Contract, now: Contract): Pair {
  return { old, now, usage: usageOf(old) };
}

/** What both contracts have, with the same full name; without what stands in a file that is the same in both. */
export function* common<T extends DescMessage | DescEnum | DescService>(
  old: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
): Generator<{ was: T; is: T }> {
  for (const [name, was] of old) {
    const is = now.get(name);
    if (is !== undefined && is.file.proto !== was.file.proto) yield { was, is };
  }
}

/** Whether two descriptors have options of the same bytes: then nothing has changed, however much the options say. */
export function hasSameOptions(was: WithOptions, is: WithOptions): boolean {
  const before = was.proto.options?.$unknown ?? [];
  const after = is.proto.options?.$unknown ?? [];
  return (
    before.length === after.length &&
    before.every(({ no, data }, index) => after[index]?.no === no && Buffer.compare(data, after[index].data) === 0)
  );
}

interface WithOptions {
  readonly proto: {
    readonly options?: { readonly $unknown?: readonly { no: number; data: Uint8Array }[] | undefined } | undefined;
  };
}
