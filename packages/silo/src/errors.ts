import type { LocalMode } from "./silo.js";

/** What can be marked for a silo. */
export type SiloLimitKind = "entity" | "service" | "route" | "task";

/**
 * Something that belongs to one silo was used in another. Always a programming error: the message names what was
 * used, where it belongs and where it was used.
 */
export class SiloLimitError extends Error {
  override readonly name = "SiloLimitError";

  constructor(
    readonly kind: SiloLimitKind,
    readonly subject: string,
    readonly belongsTo: LocalMode,
    readonly usedIn: string,
  ) {
    super(
      `The ${kind} ${subject} belongs to the ${belongsTo.toLowerCase()} silo and was used in ${usedIn}. ` +
        "Call the service that owns it through its generated client instead.",
    );
  }
}

/** A setting or a configuration file is wrong. The message names the source, the key, the value and the rule. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(
    /** The file or environment variable. */
    readonly source: string,
    /** The entry inside it, such as `localities[0].new_organization_cell`; empty for the whole. */
    readonly key: string,
    /** The offending value, never a secret. */
    readonly value: unknown,
    /** What would be right. */
    readonly rule: string,
  ) {
    super(`${source}${key === "" ? "" : `: ${key}`} = ${describeValue(value)}: ${rule}`);
  }
}

function describeValue(value: unknown): string {
  const text = value === undefined ? "(not set)" : (JSON.stringify(value) ?? `(${typeof value})`);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
