import type { DescService } from "@bufbuild/protobuf";
import { parseEdgeFeedKeys } from "@cellway/directory";
import type { RequestTrust, RouteLimits, SessionCookieOptions } from "@cellway/http";
import { type ReflectionAccess, servicePolicyOf } from "@cellway/rpc";
import {
  ALIASES,
  type Alias,
  ConfigError,
  createCellSilo,
  createControlSilo,
  createMonolithSilo,
  createSettingsReader,
  currentNameOf,
  type SettingsReader,
  type Silo,
  type Topology,
} from "@cellway/silo";
import type { LogLevel } from "@cellway/telemetry";
import type { SessionTimeouts } from "@cellway/user";
import type { Environment } from "./context.js";
import { readGatewaySettings } from "./edge-settings.js";
import { readRequestTrust, readRouteLimits, readSessionCookie, readSessionTimeouts } from "./http-config.js";
import { type LiveSetting, readLiveSetting } from "./live-setting.js";
import {
  badSetting,
  readChoice,
  readKeys,
  readLogLevel,
  readOrigin,
  readTopology,
  readWhole,
} from "./setting-readers.js";
import { DEFAULT_HTTP_LISTEN, DEFAULT_RPC_LISTEN, SETTINGS } from "./settings.js";
import type { SiloKind } from "./silo-kinds.js";

/** Everything that `serve` is told, checked. */
export interface ServeConfig {
  readonly silo: Silo;
  readonly topology: Topology;
  /** A secret: it may hold a password. */
  readonly databaseUrl: string;
  readonly rpcListen: string;
  readonly httpListen: string;
  /** What the HTTP listener believes of requests. */
  readonly trust: RequestTrust;
  /** How control sends on what is its cells'. */
  readonly gateway: ReturnType<typeof readGatewaySettings>;
  readonly sessionCookie: SessionCookieOptions;
  readonly routeLimits: RouteLimits;
  /** How long new sessions last. */
  readonly sessions: SessionTimeouts;
  /** A secret: where the keys come from, already parsed once. */
  readonly keys: LiveSetting;
  /** Undefined when no method is switched off for as long as the process runs. */
  readonly disabledMethods: LiveSetting | undefined;
  /** A secret: undefined when nobody reads the edge feed for as long as the process runs. */
  readonly edgeFeedKeys: LiveSetting | undefined;
  readonly tokensAllowed: boolean;
  readonly reflection: ReflectionAccess;
  readonly messageMaxBytes: number;
  readonly poolMax: number;
  readonly logLevel: LogLevel;
  /** Old names, of the alias table, that it was told all this by. */
  readonly oldNames: ReadonlySet<string>;
}

/** Tells a person about a setting that works and should be changed. */
export type Warn = (message: string) => void;

/**
 * Reads the settings of `serve`.
 *
 * @throws ConfigError that names the source, the key, the value and the rule of the first wrong one.
 */
export function parseServeConfig(
  kind: SiloKind,
  env: Environment,
  contracts: readonly DescService[],
  warn: Warn,
): ServeConfig {
  warnAboutUnknownSettings(env, warn);
  const oldNames = new Set<string>();
  const onOld = (old: string) => void oldNames.add(old);
  const onOldName = (old: string) => {
    if (!oldNames.has(old))
      warn(`${old} is an old name and will stop being read; \`cellway aliases\` has the new one.`);
    oldNames.add(old);
  };
  const reader = createSettingsReader(env, warn, onOld);
  const topology = readTopology(reader, onOldName);
  const silo = readSilo(kind, reader, topology);
  const keys = readKeys(reader);
  const disabledMethods = readLiveSetting(reader, "CELLWAY_RPC_DISABLED_METHODS");
  if (disabledMethods !== undefined)
    parseMethodList(disabledMethods.text, disabledMethods.source, contracts, { onOld: onOldName });
  const edgeFeedKeys = readLiveSetting(reader, "CELLWAY_EDGE_FEED_KEYS");
  if (edgeFeedKeys !== undefined) parseEdgeFeedKeys(edgeFeedKeys.text, edgeFeedKeys.source);
  const rpcListen = readOrigin(reader, "CELLWAY_RPC_LISTEN", DEFAULT_RPC_LISTEN);
  const httpListen = readOrigin(reader, "CELLWAY_HTTP_LISTEN", DEFAULT_HTTP_LISTEN);
  if (rpcListen === httpListen && !rpcListen.endsWith(":0")) {
    throw badSetting("CELLWAY_HTTP_LISTEN", httpListen, "must differ from CELLWAY_RPC_LISTEN: RPC is never public");
  }
  return Object.freeze({
    silo,
    topology,
    databaseUrl: readDatabaseUrl(reader),
    rpcListen,
    httpListen,
    trust: readRequestTrust(reader),
    gateway: readGatewaySettings(reader),
    sessionCookie: readSessionCookie(reader),
    routeLimits: readRouteLimits(reader),
    sessions: readSessionTimeouts(reader),
    keys,
    disabledMethods,
    edgeFeedKeys,
    tokensAllowed: readChoice(reader, "CELLWAY_RPC_TOKENS_ALLOWED", ["true", "false"], "false") === "true",
    reflection: readChoice(reader, "CELLWAY_RPC_REFLECTION", ["open", "token", "off"], "token"),
    messageMaxBytes: readWhole(reader, "CELLWAY_RPC_MESSAGE_MAX_BYTES", {
      min: 1_024,
      max: 268_435_456,
      fallback: 4_194_304,
    }),
    poolMax: readWhole(reader, "CELLWAY_DATABASE_POOL_MAX", { min: 1, max: 500, fallback: 10 }),
    logLevel: readLogLevel(reader),
    oldNames,
  });
}

/** What `migrate` is told: which silo's tables, and where. */
export interface MigrateConfig {
  readonly silo: Silo;
  /** A secret: it may hold a password. */
  readonly databaseUrl: string;
}

/** Reads the settings of `migrate`; it needs no topology, keys or ports. @throws ConfigError */
export function parseMigrateConfig(kind: SiloKind, env: Environment, warn: Warn): MigrateConfig {
  const reader = createSettingsReader(env, warn);
  const cell =
    kind === "cell" ? reader.readOrThrow("CELLWAY_CELL", "must name the cell whose database is migrated") : "";
  const silo =
    kind === "cell" ? createCellSilo(cell) : kind === "control" ? createControlSilo() : createMonolithSilo([]);
  return Object.freeze({ silo, databaseUrl: readDatabaseUrl(reader) });
}

/**
 * Reads `organization.CreateOrganization, user.*`, one a line or separated by commas; `#` starts a comment. A service may
 * go by an old key.
 *
 * @returns the names with current keys.
 * @throws ConfigError for a name that is no method of `contracts`: a misspelled switch would switch nothing off.
 */
export function parseMethodList(
  text: string,
  source: string,
  contracts: readonly DescService[],
  renames: { aliases?: readonly Alias[]; onOld?: (old: string) => void } = {},
): string[] {
  const names = text
    .split("\n")
    .flatMap((line) => (line.split("#", 1)[0] ?? "").split(/[,\s]+/))
    .filter((name) => name !== "");
  return names.map((name, index) => {
    const [written = "", method = ""] = name.split(".", 2);
    const key = currentNameOf("RPC_KEY", written, renames);
    const service = contracts.find((contract) => servicePolicyOf(contract).key === key);
    const isKnown = method === "*" || service?.methods.some((candidate) => candidate.name === method) === true;
    if (service === undefined || !isKnown) {
      throw new ConfigError(
        source,
        `[${index}]`,
        name,
        "must be service.Method or service.*, such as organization.CreateOrganization",
      );
    }
    return `${key}.${method}`;
  });
}

function readSilo(kind: SiloKind, reader: SettingsReader, topology: Topology): Silo {
  if (kind === "control") return createControlSilo();
  const names = [...topology.cells.keys()];
  if (kind === "monolith") return createMonolithSilo(names);
  const rule = `must be one of the topology's cells: ${names.join(", ")}`;
  const cell = reader.readOrThrow("CELLWAY_CELL", rule);
  if (!topology.cells.has(cell)) throw badSetting("CELLWAY_CELL", cell, rule);
  return createCellSilo(cell);
}

function readDatabaseUrl(reader: SettingsReader): string {
  const rule =
    "must be postgres://user:password@host:5432/database or postgres://user@/database?host=/socket/directory, with special characters percent-encoded";
  const url = reader.readOrThrow("CELLWAY_DATABASE_URL", rule);
  const match = /^postgres(?:ql)?:\/\/[^@/?#\s]+@([^@/?#\s]*)\/[^@/?#\s]+(\?\S*)?$/.exec(url);
  const host = match === null ? "" : match[1] || (new URLSearchParams(match[2]).get("host") ?? "");
  // The value may hold a password, so it is not shown.
  if (host === "") throw badSetting("CELLWAY_DATABASE_URL", "(hidden)", rule);
  return url;
}

/** A misspelled name would silently leave a default in force. */
export function warnAboutUnknownSettings(env: Environment, warn: Warn): void {
  const oldNames = ALIASES.filter(({ kind }) => kind === "SETTING").map(({ old }) => old);
  const known = new Set<string>([...SETTINGS.map((setting) => setting.name), ...oldNames]);
  for (const name of Object.keys(env)) {
    if (name.startsWith("CELLWAY_") && !known.has(name)) {
      warn(`${name} is not a setting of Cellway and is ignored; see: cellway serve --help`);
    }
  }
}
