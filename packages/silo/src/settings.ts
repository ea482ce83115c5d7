import { ConfigError } from "./errors.js";

/**
 * Settings that had another name when a cell was still called a region: new name to old name.
 * TODO(cells): drop an entry once no deployment sets the old name any more.
 */
export const SETTING_ALIASES: Readonly<Record<string, string>> = {
  CELLWAY_CELL: "CELLWAY_REGION",
  CELLWAY_TOPOLOGY: "CELLWAY_REGION_CONFIG",
  CELLWAY_FALLBACK_CELL: "CELLWAY_MONOLITH_REGION",
};

/** Reads settings by their current name. */
export interface SettingsReader {
  /** The value, or undefined when it is unset or empty. */
  read(name: string): string | undefined;
  /** @throws ConfigError when it is unset. `rule` says what it is for. */
  readOrThrow(name: string, rule: string): string;
}

/**
 * A reader over a snapshot of the environment. An old name is honoured with one warning per process and name;
 * when both are set the current one wins, and a difference between the two is an error rather than a guess.
 */
export function createSettingsReader(
  env: Readonly<Record<string, string | undefined>>,
  warn: (message: string) => void,
): SettingsReader {
  const warned = new Set<string>();
  const read = (name: string): string | undefined => {
    const current = env[name] || undefined;
    const alias = SETTING_ALIASES[name];
    const old = alias === undefined ? undefined : env[alias] || undefined;
    if (alias === undefined || old === undefined) return current;
    if (current !== undefined && current !== old) {
      throw new ConfigError(
        `environment variable ${alias}`,
        "",
        old,
        `differs from ${name}; remove ${alias}, its old name`,
      );
    }
    if (!warned.has(alias)) {
      warned.add(alias);
      warn(`${alias} is the old name of ${name} and will stop being read; rename it.`);
    }
    return current ?? old;
  };
  return {
    read,
    readOrThrow(name, rule) {
      const value = read(name);
      if (value === undefined) throw new ConfigError(`environment variable ${name}`, "", undefined, rule);
      return value;
    },
  };
}
