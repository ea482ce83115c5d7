import type { BlockList } from "node:net";
import {
  DEFAULT_ROUTE_LIMITS,
  parseTrustedProxies,
  type RequestTrust,
  type RouteLimits,
  type SessionCookieOptions,
} from "@cellway/http";
import type { SettingsReader } from "@cellway/silo";
import { DEFAULT_SESSION_TIMEOUTS, type SessionTimeouts } from "@cellway/user";
import { badSetting, readWhole } from "./setting-readers.js";
import type { SettingName } from "./settings.js";

const ROUTE_LIMIT_MAX = 1_000_000;
const SESSION_SECONDS_MIN = 60;
const SESSION_SECONDS_MAX = 366 * 24 * 60 * 60;

/** What the public HTTP listener of a silo believes of requests. @throws ConfigError */
export function readRequestTrust(reader: SettingsReader): RequestTrust {
  return {
    trustedProxies: readTrustedProxies(reader, "CELLWAY_HTTP_TRUSTED_PROXIES"),
    allowedOrigins: readAllowedOrigins(reader),
  };
}

/** How many requests a minute a process serves. @throws ConfigError */
export function readRouteLimits(reader: SettingsReader): RouteLimits {
  return {
    perToken: readLimit(reader, "CELLWAY_HTTP_TOKEN_LIMIT", DEFAULT_ROUTE_LIMITS.perToken),
    perOrganization: readLimit(reader, "CELLWAY_HTTP_ORGANIZATION_LIMIT", DEFAULT_ROUTE_LIMITS.perOrganization),
    perStranger: readLimit(reader, "CELLWAY_HTTP_STRANGER_LIMIT", DEFAULT_ROUTE_LIMITS.perStranger),
  };
}

/** How the session cookie is set. @throws ConfigError */
export function readSessionCookie(reader: SettingsReader): SessionCookieOptions {
  const domain = reader.read("CELLWAY_SESSION_COOKIE_DOMAIN");
  if (domain !== undefined && !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(domain))
    throw badSetting("CELLWAY_SESSION_COOKIE_DOMAIN", domain, "must be a domain in lower case, such as example.com");
  const secure = reader.read("CELLWAY_SESSION_COOKIE_SECURE") ?? "auto";
  if (secure !== "auto" && secure !== "always")
    throw badSetting("CELLWAY_SESSION_COOKIE_SECURE", secure, "must be one of auto, always");
  return { ...(domain === undefined ? {} : { domain }), isAlwaysSecure: secure === "always" };
}

/** How long new sessions last. @throws ConfigError */
export function readSessionTimeouts(reader: SettingsReader): SessionTimeouts {
  const absoluteSeconds = readSeconds(reader, "CELLWAY_SESSION_MAX_SECONDS", DEFAULT_SESSION_TIMEOUTS.absoluteSeconds);
  const idleFallback = Math.min(DEFAULT_SESSION_TIMEOUTS.idleSeconds, absoluteSeconds);
  const idleSeconds = readSeconds(reader, "CELLWAY_SESSION_IDLE_SECONDS", idleFallback);
  if (idleSeconds > absoluteSeconds) {
    const rule = `must be at most CELLWAY_SESSION_MAX_SECONDS, ${absoluteSeconds}`;
    throw badSetting("CELLWAY_SESSION_IDLE_SECONDS", String(idleSeconds), rule);
  }
  return { absoluteSeconds, idleSeconds };
}

/** Reads addresses and networks of proxies. @throws ConfigError */
export function readTrustedProxies(reader: SettingsReader, name: SettingName & `${string}_TRUSTED_PROXIES`): BlockList {
  try {
    return parseTrustedProxies(splitList(reader.read(name) ?? ""));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw badSetting(name, error.message, "must be addresses or networks, such as 10.0.0.0/8,::1");
  }
}

/** The entries of a list, separated by commas or white space. */
export function splitList(text: string): string[] {
  return text.split(/[,\s]+/).filter((entry) => entry !== "");
}

function readAllowedOrigins(reader: SettingsReader): ReadonlySet<string> {
  const origins = splitList(reader.read("CELLWAY_HTTP_ALLOWED_ORIGINS") ?? "");
  const wrong = origins.find((origin) => !URL.canParse(origin) || new URL(origin).origin !== origin);
  if (wrong !== undefined) {
    const rule = "must be origins as browsers write them, such as https://app.example.com";
    throw badSetting("CELLWAY_HTTP_ALLOWED_ORIGINS", wrong, rule);
  }
  return new Set(origins);
}

function readLimit(reader: SettingsReader, name: SettingName, fallback: number): number {
  return readWhole(reader, name, { fallback, unit: "requests a minute", min: 1, max: ROUTE_LIMIT_MAX });
}

function readSeconds(reader: SettingsReader, name: SettingName, fallback: number): number {
  return readWhole(reader, name, { fallback, unit: "seconds", min: SESSION_SECONDS_MIN, max: SESSION_SECONDS_MAX });
}
