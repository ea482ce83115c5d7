import { readFileSync, statSync } from "node:fs";
import { ConfigError, type SettingsReader } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";

/** A setting that is given in place, or in a file that is read again while the process runs. */
export interface LiveSetting {
  /** The variable or file it came from, for messages. */
  readonly source: string;
  readonly text: string;
  /** The file; undefined when it was given in place and so never changes. */
  readonly file: string | undefined;
}

/** How often a file is looked at, besides on SIGHUP. */
const RELOAD_INTERVAL_MS = 1_000;

/**
 * Reads `name`, or the file that `name` + `_FILE` names. Undefined when neither is set.
 *
 * @throws ConfigError when both are set or the file cannot be read.
 */
export function readLiveSetting(reader: SettingsReader, name: string): LiveSetting | undefined {
  const text = reader.read(name);
  const file = reader.read(`${name}_FILE`);
  if (file === undefined)
    return text === undefined ? undefined : { source: `environment variable ${name}`, text, file };
  if (text !== undefined) {
    throw new ConfigError(
      `environment variable ${name}_FILE`,
      "",
      file,
      `must not be set together with ${name}; keep one of the two`,
    );
  }
  return { source: file, text: readTextFile(file, `environment variable ${name}_FILE`), file };
}

/** @throws ConfigError that names `source`, the path and why it cannot be read. */
export function readTextFile(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(
      source,
      "",
      path,
      `must be the path of a file that can be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`,
    );
  }
}

/** Keeps following a file until it is told to stop. */
export interface LiveFollower {
  /** Reads the file now, changed or not. */
  reload(): void;
  stop(): void;
}

/**
 * Applies the file's text whenever the file has changed. An error while reading or applying is reported once for each
 * state of the file, and what was applied before stays.
 */
export function followLiveSetting(
  setting: LiveSetting,
  options: {
    apply: (text: string) => void;
    onError: (error: unknown) => void;
    onApplied?: () => void;
    intervalMs?: number;
  },
): LiveFollower {
  const { file } = setting;
  if (file === undefined) return { reload: () => undefined, stop: () => undefined };
  let seen = fingerprint(file);
  const reload = () => {
    seen = fingerprint(file);
    try {
      options.apply(readTextFile(file, "settings file"));
      options.onApplied?.();
    } catch (error) {
      options.onError(error);
    }
  };
  const timer = setInterval(() => {
    if (fingerprint(file) !== seen) reload();
  }, options.intervalMs ?? RELOAD_INTERVAL_MS);
  timer.unref();
  return { reload, stop: () => clearInterval(timer) };
}

/** Follows a setting of a process that runs, and says in its log what becomes of it. A file that is wrong changes nothing. */
export function followSetting(
  live: LiveSetting,
  options: { readonly setting: string; readonly apply: (text: string) => void; readonly logger: Logger },
): LiveFollower {
  const { setting, apply, logger } = options;
  const { file } = live;
  return followLiveSetting(live, {
    apply,
    onApplied: () => logger.info({ file, setting }, "a setting was read again"),
    onError: (error) =>
      logger.error(
        { file, setting, reason: (error as Error).message },
        "a setting cannot be read again; what held before still does",
      ),
  });
}

/** What changes when a file is written or replaced. */
function fingerprint(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? "absent" : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
}
