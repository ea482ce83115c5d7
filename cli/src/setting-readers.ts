import { parseKeys, type SigningKey } from "@cellway/rpc";
import { ConfigError, parseTopology, type SettingsReader, type Topology } from "@cellway/silo";
import type { LogLevel } from "@cellway/telemetry";
import { type LiveSetting, readLiveSetting, readTextFile } from "./live-setting.js";
import type { SettingName } from "./settings.js";

// Every command reads some of these: nothing here may load a service, a database or a server of HTTP.

/**
 * Reads CELLWAY_TOPOLOGY: JSON when it starts with a brace, else the path of a file.
 *
 * @param onOld - told of each old key in it.
 * @throws ConfigError
 */
export function readTopology(reader: SettingsReader, onOld?: (old: string) => void): Topology {
  const variable = "environment variable CELLWAY_TOPOLOGY";
  const value = reader.readOrThrow("CELLWAY_TOPOLOGY", "must be the path of a topology file, or its JSON").trim();
  const isInline = value.startsWith("{");
  const source = isInline ? variable : value;
  const text = isInline ? value : readTextFile(value, variable);
  return parseTopology(parseJson(text, source), source, onOld);
}

/** Reads CELLWAY_RPC_KEYS or its file, and checks them. @throws ConfigError that never holds a secret */
export function readKeys(reader: SettingsReader): LiveSetting {
  const keys = readLiveSetting(reader, "CELLWAY_RPC_KEYS");
  if (keys === undefined) {
    throw new ConfigError(
      "environment variable CELLWAY_RPC_KEYS",
      "",
      undefined,
      "must hold id:base64 (or set CELLWAY_RPC_KEYS_FILE); make a key with: cellway keys generate",
    );
  }
  parseKeyText(keys);
  return keys;
}

/** The keys of a setting. @throws ConfigError that never holds a secret */
export function parseKeyText(keys: LiveSetting, text = keys.text): SigningKey[] {
  return parseKeys(text, keys.source);
}

/** Reads CELLWAY_LOG_LEVEL. @throws ConfigError */
export function readLogLevel(reader: SettingsReader): LogLevel {
  return readChoice(reader, "CELLWAY_LOG_LEVEL", ["debug", "info", "warn", "error", "silent"], "info");
}

/** Reads CELLWAY_MODE. @throws ConfigError */
export function readMode(reader: SettingsReader): "siloed" | "monolith" {
  return readChoice(reader, "CELLWAY_MODE", ["siloed", "monolith"], "siloed");
}

/** Reads an http:// origin to listen at. @throws ConfigError */
export function readOrigin(reader: SettingsReader, name: SettingName, fallback: string): string {
  const value = reader.read(name) ?? fallback;
  const match = /^http:\/\/(?:\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(value);
  if (match === null || Number(match[1]) > 65_535) {
    throw badSetting(name, value, `must be an http:// origin with a port and no path, such as ${fallback}`);
  }
  return value;
}

/** Reads one of some words. @throws ConfigError */
export function readChoice<const T extends string>(
  reader: SettingsReader,
  name: SettingName,
  choices: readonly T[],
  fallback: NoInfer<T>,
): T {
  const value = reader.read(name) ?? fallback;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw badSetting(name, value, `must be one of ${choices.join(", ")}`);
  return choice;
}

/** Reads a whole number within bounds, of a unit that a refusal names. @throws ConfigError */
export function readWhole(
  reader: SettingsReader,
  name: SettingName,
  bounds: { min: number; max: number; fallback: number; unit?: string },
): number {
  const text = reader.read(name);
  if (text === undefined) return bounds.fallback;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= bounds.min && value <= bounds.max)) {
    const what = bounds.unit === undefined ? "a whole number of" : `whole ${bounds.unit},`;
    throw badSetting(name, text, `must be ${what} ${bounds.min} to ${bounds.max}`);
  }
  return value;
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(source, "", text, `must be JSON (${(error as Error).message})`);
  }
}

/** What is wrong with a setting. */
export function badSetting(name: SettingName, value: string, rule: string): ConfigError {
  return new ConfigError(`environment variable ${name}`, "", value, rule);
}
