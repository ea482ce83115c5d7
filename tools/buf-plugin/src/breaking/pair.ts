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

/** What both contracts have, with the same full name. */
export function* common<T extends DescMessage | DescEnum | DescService>(
  old: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
): Generator<{ was: T; is: T }> {
  for (const [name, was] of old) {
    const is = now.get(name);
    if (is !== undefined) yield { was, is };
  }
}
