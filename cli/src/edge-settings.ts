import { type GatewayOptions, parsePinnedRoute } from "@cellway/gateway";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "@cellway/http";
import { ConfigError, LABEL_PATTERN, type SettingsReader } from "@cellway/silo";
import { splitList } from "./http-config.js";
import type { SettingName } from "./settings.js";

const TOKEN_LENGTH_MIN = 32;
const HEALTH_CHECK_SECONDS_MAX = 3_600;

/** What control's gateway is told by settings. @throws ConfigError */
export function readGatewaySettings(
  reader: SettingsReader,
): Pick<GatewayOptions, "pinnedRoutes" | "operatorToken" | "limits"> {
  const operatorToken = readOperatorToken(reader);
  const rule =
    "must be /path/=cell: a path of words between slashes that ends with one, with * for any word and a last ** for any number, and the name of a cell";
  const pairs = readPairs(reader, "CELLWAY_GATEWAY_PINNED_ROUTES", (pattern, cell) =>
    parsePinnedRoute(pattern, cell) !== undefined && LABEL_PATTERN.test(cell) ? undefined : rule,
  );
  const pinnedRoutes = [...pairs].map(([pattern, cell]) => ({ pattern, cell }));
  return { pinnedRoutes, limits: readHealthLimits(reader), ...(operatorToken !== undefined && { operatorToken }) };
}

/** Reads a list of `key=value`, each of them without a fault. @throws ConfigError */
export function readPairs(
  reader: SettingsReader,
  name: SettingName,
  findFault: (key: string, value: string) => string | undefined,
): Map<string, string> {
  const pairs = splitList(reader.read(name) ?? "").map((text): [string, string] => {
    const [key = "", value = ""] = text.split("=", 2);
    const rule = findFault(key, value);
    if (rule !== undefined) throw new ConfigError(`environment variable ${name}`, "", text, rule);
    return [key, value];
  });
  return new Map(pairs);
}

/** How often cells are checked. @throws ConfigError */
export function readHealthLimits(reader: SettingsReader): Pick<ProxyLimits, "healthCheckMs"> {
  const text = reader.read("CELLWAY_EDGE_HEALTH_CHECK_SECONDS");
  if (text === undefined) return { healthCheckMs: DEFAULT_PROXY_LIMITS.healthCheckMs };
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= HEALTH_CHECK_SECONDS_MAX) return { healthCheckMs: seconds * 1_000 };
  const rule = `must be whole seconds, 0 (no checks) to ${HEALTH_CHECK_SECONDS_MAX}`;
  throw new ConfigError("environment variable CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "", text, rule);
}

/** The secret by which routers and the gateway explain themselves. @throws ConfigError that never holds it */
export function readOperatorToken(reader: SettingsReader): string | undefined {
  const token = reader.read("CELLWAY_EDGE_OPERATOR_TOKEN");
  if (token === undefined || (/^[!-~]+$/.test(token) && token.length >= TOKEN_LENGTH_MIN)) return token;
  const rule = `must be at least ${TOKEN_LENGTH_MIN} printable characters without spaces`;
  throw new ConfigError("environment variable CELLWAY_EDGE_OPERATOR_TOKEN", "", "(hidden)", rule);
}
