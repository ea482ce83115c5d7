/**
 * What kind of name it is, which says who holds it: SETTING and JSON_FIELD whoever deploys · METRIC dashboards and alerts ·
 * TASK, OUTBOX_CATEGORY and RPC_KEY operators and their scripts · COLUMN the database and whoever reports from it.
 */
export type AliasKind = "SETTING" | "METRIC" | "COLUMN" | "TASK" | "OUTBOX_CATEGORY" | "RPC_KEY" | "JSON_FIELD";

/**
 * How far a rename has come. BOTH: both names work; what is read is read under either, what is emitted is emitted under both ·
 * STORED: the old name stays where it is stored, and only code has the new one.
 */
export type AliasPhase = "BOTH" | "STORED";

/** A name that others hold, and the one that it has now. */
export interface Alias {
  readonly kind: AliasKind;
  /** Of a column `schema.table.column`, of a JSON field `file.key`. Unique over all kinds. */
  readonly old: string;
  readonly current: string;
  readonly phase: AliasPhase;
  /** What must be seen before the old name goes, as a sentence. */
  readonly until: string;
}

const SETTING_UNTIL = "No process of the fleet has been given it for 7 days; `cellway aliases` says who was.";

/**
 * Every name that goes on working beside the one that replaced it. To rename: add an entry, move those who hold the old name,
 * and take the entry out once what `until` says was seen.
 */
export const ALIASES: readonly Alias[] = [
  alias("SETTING", "CELLWAY_REGION", "CELLWAY_CELL", SETTING_UNTIL),
  alias("SETTING", "CELLWAY_REGION_CONFIG", "CELLWAY_TOPOLOGY", SETTING_UNTIL),
  alias("SETTING", "CELLWAY_MONOLITH_REGION", "CELLWAY_FALLBACK_CELL", SETTING_UNTIL),
  alias(
    "JSON_FIELD",
    "topology.regions",
    "topology.cells",
    "No process of the fleet has read it for 7 days; `cellway aliases` says who did.",
  ),
  alias(
    "METRIC",
    "cellway_rpc_client_region_circuit_state",
    "cellway_rpc_client_circuit_state",
    "No dashboard and no alert names it: who reads a metric is not seen from here.",
  ),
];

/** Kinds of which every use is seen, so that one which is not used is known to be unused. */
const COUNTED: ReadonlySet<AliasKind> = new Set(["SETTING", "JSON_FIELD", "RPC_KEY"]);

/** Whether processes count who still uses the old name. */
export function isCounted({ kind }: Alias): boolean {
  return COUNTED.has(kind);
}

/** The old names that `current` still goes by. */
export function oldNamesOf(kind: AliasKind, current: string, aliases: readonly Alias[] = ALIASES): string[] {
  return aliases.filter((entry) => entry.kind === kind && entry.current === current).map(({ old }) => old);
}

/**
 * The name that `name` has now: another one when it is an old name, else itself.
 *
 * @param onOld - told when it is an old name.
 */
export function currentNameOf(
  kind: AliasKind,
  name: string,
  { aliases = ALIASES, onOld }: { aliases?: readonly Alias[]; onOld?: ((old: string) => void) | undefined } = {},
): string {
  const found = aliases.find((entry) => entry.kind === kind && entry.old === name);
  if (found === undefined) return name;
  onOld?.(found.old);
  return found.current;
}

function alias(kind: AliasKind, old: string, current: string, until: string): Alias {
  return { kind, old, current, phase: "BOTH", until };
}
