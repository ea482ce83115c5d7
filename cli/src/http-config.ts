import type { BlockList } from "node:net";
import { parseTrustedProxies, type RequestTrust } from "@cellway/http";
import { ConfigError, type SettingsReader } from "@cellway/silo";
import type { SettingName } from "./settings.js";

/** What the public HTTP listener of a silo believes of requests. @throws ConfigError */
export function readRequestTrust(reader: SettingsReader): RequestTrust {
  return { trustedProxies: readTrustedProxies(reader, "CELLWAY_HTTP_TRUSTED_PROXIES") };
}

/** Reads addresses and networks of proxies. @throws ConfigError */
export function readTrustedProxies(reader: SettingsReader, name: SettingName & `${string}_TRUSTED_PROXIES`): BlockList {
  try {
    return parseTrustedProxies(splitList(reader.read(name) ?? ""));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const rule = "must be addresses or networks, such as 10.0.0.0/8,::1";
    throw new ConfigError(`environment variable ${name}`, "", error.message, rule);
  }
}

/** The entries of a list, separated by commas or white space. */
export function splitList(text: string): string[] {
  return text.split(/[,\s]+/).filter((entry) => entry !== "");
}
