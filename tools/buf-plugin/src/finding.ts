import type { AnyDesc } from "@bufbuild/protobuf";
import type { RuleId } from "./rules.js";

/** A rule that is broken, and where. */
export interface Finding {
  readonly ruleId: RuleId;
  readonly message: string;
  /** In what is checked; where something is gone, what it is gone from. */
  readonly at: AnyDesc | undefined;
  /** In the older contract. */
  readonly was?: AnyDesc;
}

/** Which two versions, while both run, cannot work with each other. An outbox's sender is a caller, its receiver a server. */
export type Direction = "old caller → new server" | "new caller → old server";

/** What a breaking change is told with. */
export interface Break {
  readonly at: AnyDesc | undefined;
  readonly was: AnyDesc;
  /** What was changed. */
  readonly what: string;
  readonly direction: Direction;
  /** What goes wrong between the two. */
  readonly effect: string;
  /** The same in two phases, each of which is a release of its own. */
  readonly safely: string;
}

/** A finding of a breaking rule: what was changed, what breaks in which direction, and how it is done safely. */
export function breaks(ruleId: RuleId, { at, was, what, direction, effect, safely }: Break): Finding {
  return { ruleId, message: `${what}. Breaks ${direction}: ${effect}. Do it in two phases: ${safely}.`, at, was };
}
