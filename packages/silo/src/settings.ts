import { oldNamesOf } from "./aliases.js";
import { ConfigError } from "./errors.js";

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
 *
 * @param onOld - told of each old name that is set, as often as it is read.
 */
export function createSettingsReader(
  env: Readonly<Record<string, string | undefined>>,
  warn: (message: string) => void,
  onOld?: (old: string) => void,
): SettingsReader {
  const warned = new Set<string>();
  const read = (name: string): string | undefined => {
    const current = env[name] || undefined;
    const alias = oldNamesOf("SETTING", name).find((old) => (env[old] ?? "") !== "");
    const old = alias === undefined ? undefined : env[alias];
    if (alias === undefined || old === undefined) return current;
    onOld?.(alias);
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
