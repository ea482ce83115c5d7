import { type GatewayOptions, parsePinnedRoute } from "@cellway/gateway";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "@cellway/http";
import { ConfigError, LABEL_PATTERN, type SettingsReader } from "@cellway/silo";
import { splitList } from "./http-config.js";
import { readWhole } from "./setting-readers.js";
import type { SettingName } from "./settings.js";

const TOKEN_LENGTH_MIN = 32;

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
  return { pinnedRoutes, limits: readEdgeLimits(reader), ...(operatorToken !== undefined && { operatorToken }) };
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

/** The limits of requests on their way to cells that can be set. */
export type EdgeLimits = Pick<ProxyLimits, "healthCheckMs" | "inFlightMax" | "firstByteTimeoutMs" | "idleTimeoutMs">;

/** Reads them. @throws ConfigError */
export function readEdgeLimits(reader: SettingsReader): EdgeLimits {
  const { healthCheckMs, inFlightMax, firstByteTimeoutMs, idleTimeoutMs } = DEFAULT_PROXY_LIMITS;
  const readMs = (name: SettingName, fallbackMs: number, bounds: { min: number; max: number }) =>
    readWhole(reader, name, { fallback: fallbackMs / 1_000, unit: "seconds", ...bounds }) * 1_000;
  return {
    healthCheckMs: readMs("CELLWAY_EDGE_HEALTH_CHECK_SECONDS", healthCheckMs, { min: 0, max: 3_600 }),
    inFlightMax: readWhole(reader, "CELLWAY_EDGE_IN_FLIGHT_MAX", {
      fallback: inFlightMax,
      unit: "requests",
      min: 1,
      max: 100_000,
    }),
    firstByteTimeoutMs: readMs("CELLWAY_EDGE_FIRST_BYTE_SECONDS", firstByteTimeoutMs, { min: 1, max: 3_600 }),
    idleTimeoutMs: readMs("CELLWAY_EDGE_IDLE_SECONDS", idleTimeoutMs, { min: 1, max: 86_400 }),
  };
}

/** The secret by which routers and the gateway explain themselves. @throws ConfigError that never holds it */
export function readOperatorToken(reader: SettingsReader): string | undefined {
  const token = reader.read("CELLWAY_EDGE_OPERATOR_TOKEN");
  if (token === undefined || (/^[!-~]+$/.test(token) && token.length >= TOKEN_LENGTH_MIN)) return token;
  const rule = `must be at least ${TOKEN_LENGTH_MIN} printable characters without spaces`;
  throw new ConfigError("environment variable CELLWAY_EDGE_OPERATOR_TOKEN", "", "(hidden)", rule);
}
