import { DEFAULT_PROXY_LIMITS, DEFAULT_ROUTE_LIMITS } from "@cellway/http";
import { oldNamesOf } from "@cellway/silo";
import { DEFAULT_SESSION_TIMEOUTS } from "@cellway/user";
import { formatTable, heading } from "./table.js";

/** One environment variable. */
export interface SettingDefinition {
  readonly name: string;
  /** What holds when it is not set; `required` or `none` when nothing does. */
  readonly fallback: string;
  /** The unit or form of its value. */
  readonly unit: string;
  /** A sentence for people. */
  readonly meaning: string;
  /** Whether its value must never be printed or logged. */
  readonly isSecret: boolean;
}

/** Where RPC is served when nothing is said. */
export const DEFAULT_RPC_LISTEN = "http://127.0.0.1:8001";

/** Where HTTP is served when nothing is said. */
export const DEFAULT_HTTP_LISTEN = "http://127.0.0.1:8000";

/** Where a router serves strangers when nothing is said. */
export const DEFAULT_EDGE_LISTEN = "http://127.0.0.1:8100";

/** Where localities are public when nothing is said. */
export const DEFAULT_LOCALITY_URL = "http://{locality}.localhost:8100";

/** The data folder of `cellway dev` when nothing is said. */
export const DEFAULT_DATA_DIR = ".cellway";

/** Everything that `cellway` reads from its environment. Nothing else of ours reads it. */
export const SETTINGS = [
  setting(
    "CELLWAY_CELL",
    "required for a cell",
    "name",
    "The cell that `serve --silo cell` is: one of the topology's cells.",
  ),
  setting("CELLWAY_TOPOLOGY", "required", "path or JSON", "Every silo of the fleet: a JSON file, or the JSON itself."),
  setting(
    "CELLWAY_MODE",
    "siloed",
    "siloed | monolith",
    "What CELLWAY_TOPOLOGY describes, for the commands that call a fleet; `serve` has --silo.",
  ),
  secret(
    "CELLWAY_DATABASE_URL",
    "required",
    "postgres:// URL",
    "The silo's own database, PostgreSQL 14 or later. For `dev`, in place of the embedded one: with {silo} where the name of the silo goes.",
  ),
  setting(
    "CELLWAY_DATABASE_POOL_MAX",
    "10",
    "connections, 1 to 500",
    "Database connections of a silo, for each of its sides.",
  ),
  setting(
    "CELLWAY_RPC_LISTEN",
    DEFAULT_RPC_LISTEN,
    "http:// origin",
    "Where RPC is served to other silos; port 0 lets the system choose. Never public.",
  ),
  setting(
    "CELLWAY_HTTP_LISTEN",
    DEFAULT_HTTP_LISTEN,
    "http:// origin",
    "Where /healthz, /readyz, /metrics and public routes are served.",
  ),
  setting(
    "CELLWAY_HTTP_TRUSTED_PROXIES",
    "none",
    "addresses, CIDR",
    "Routers and proxies before a silo whose X-Forwarded-For, -Proto and -Host are believed: 10.0.0.0/8,::1.",
  ),
  setting(
    "CELLWAY_HTTP_ALLOWED_ORIGINS",
    "none",
    "origins",
    "Origins besides the very host whose requests with a session cookie may change something: https://app.example.com.",
  ),
  setting(
    "CELLWAY_HTTP_TOKEN_LIMIT",
    String(DEFAULT_ROUTE_LIMITS.perToken),
    "requests a minute",
    "What each process of a silo serves one API token or session; n processes serve up to n times as much. This and the next: to 1000000.",
  ),
  setting(
    "CELLWAY_HTTP_ORGANIZATION_LIMIT",
    String(DEFAULT_ROUTE_LIMITS.perOrganization),
    "requests a minute",
    "The same for one organization, whoever of its members asks.",
  ),
  setting(
    "CELLWAY_HTTP_STRANGER_LIMIT",
    String(DEFAULT_ROUTE_LIMITS.perStranger),
    "requests a minute",
    "The same for one address without an accepted token or session.",
  ),
  setting(
    "CELLWAY_SESSION_COOKIE_DOMAIN",
    "none",
    "domain",
    "Domain of the session cookie: example.com for control and all localities below it. Without one it is for the host that set it.",
  ),
  setting(
    "CELLWAY_SESSION_COOKIE_SECURE",
    "auto",
    "auto | always",
    "Whether the session cookie is Secure: where a trusted proxy says that the request was https, or always.",
  ),
  setting(
    "CELLWAY_SESSION_MAX_SECONDS",
    String(DEFAULT_SESSION_TIMEOUTS.absoluteSeconds),
    "seconds, 60 to 31622400",
    "Control: how long a new session lasts, however much it is used.",
  ),
  setting(
    "CELLWAY_SESSION_IDLE_SECONDS",
    String(DEFAULT_SESSION_TIMEOUTS.idleSeconds),
    "seconds, 60 to 31622400",
    "Control: how long a new session lasts without use, counted in steps of a tenth of it. At most CELLWAY_SESSION_MAX_SECONDS.",
  ),
  secret(
    "CELLWAY_RPC_KEYS",
    "required",
    "id:base64,id:base64",
    "Signing keys, at least 32 bytes each: the first signs, all verify. Master keys for control and a monolith; for a cell what `cellway keys derive` prints.",
  ),
  setting(
    "CELLWAY_RPC_KEYS_FILE",
    "none",
    "path",
    "A file with CELLWAY_RPC_KEYS instead; read again when it changes and on SIGHUP.",
  ),
  setting(
    "CELLWAY_RPC_DISABLED_METHODS",
    "none",
    "service.Method, …",
    "Methods that are switched off: organization.CreateOrganization or organization.*.",
  ),
  setting(
    "CELLWAY_RPC_DISABLED_METHODS_FILE",
    "none",
    "path",
    "A file with CELLWAY_RPC_DISABLED_METHODS instead; read again when it changes and on SIGHUP.",
  ),
  secret(
    "CELLWAY_EDGE_FEED_KEYS",
    "none",
    "key,key",
    "Control: keys, at least 32 characters each, by which existing routers may read the edge feed; all are accepted. Without one nobody reads it.",
  ),
  setting(
    "CELLWAY_EDGE_FEED_KEYS_FILE",
    "none",
    "path",
    "A file with CELLWAY_EDGE_FEED_KEYS instead; read again when it changes and on SIGHUP.",
  ),
  setting(
    "CELLWAY_RELAYS",
    "none",
    "id=public key, …",
    "Cells and ingest routers: the Relays that may ask for project configurations, by their signatures; `cellway keys relay` makes such keys.",
  ),
  secret(
    "CELLWAY_RELAY_CREDENTIALS",
    "none",
    "id=secret key",
    "Ingest router: as which Relay it asks cells for project configurations; needed with CELLWAY_RELAYS, and cells must name its public key there.",
  ),
  setting(
    "CELLWAY_INGEST_PUBLIC_URL",
    "none",
    "URL",
    "Cell: where it takes events from outside; Relays are told, and send there instead of through a router.",
  ),
  setting("CELLWAY_INGEST_RETENTION_HOURS", "72", "hours, 1 to 8760", "Cell: how long what was sent to it is kept."),
  setting(
    "CELLWAY_INGEST_STORED_MAX_BYTES",
    "10737418240",
    "bytes, 1048576 or more",
    "Cell: how much of it is kept; when there is more, senders are told to come again later.",
  ),
  setting(
    "CELLWAY_INGEST_KEY_REQUESTS_PER_MINUTE",
    "6000",
    "requests, 1 to 10000000",
    "Cell: how often one project key may send, counted in each process by itself.",
  ),
  setting(
    "CELLWAY_GATEWAY_PINNED_ROUTES",
    "none",
    "/path/=cell, …",
    "Control: paths without an organization, to the cell that still serves them: /api/0/issues/*/=us1, /api/0/shared/**=us1. Counted by pattern.",
  ),
  setting(
    "CELLWAY_RPC_TOKENS_ALLOWED",
    "false",
    "true | false",
    "Whether tokens of `cellway token` are accepted in place of signatures.",
  ),
  setting("CELLWAY_RPC_REFLECTION", "token", "open | token | off", "Who may ask for the schema."),
  setting("CELLWAY_RPC_MESSAGE_MAX_BYTES", "4194304", "bytes, 1024 to 268435456", "Largest request or response."),
  setting(
    "CELLWAY_EDGE_NAME",
    "required for --edge",
    "name",
    "The name of a router, whose keys `cellway keys derive --edge` prints; processes that do the same may share it.",
  ),
  setting(
    "CELLWAY_CONTROL_RPC_ADDRESS",
    "required for --edge",
    "http:// origin",
    "Where a router reaches control's RPC listener.",
  ),
  setting(
    "CELLWAY_EDGE_LISTEN",
    DEFAULT_EDGE_LISTEN,
    "http:// origin",
    "Where a router serves strangers; health and metrics are at CELLWAY_HTTP_LISTEN.",
  ),
  setting("CELLWAY_EDGE_LOCALITIES", "required for --edge", "names", "The localities that a router serves: us,de."),
  setting(
    "CELLWAY_EDGE_LOCALITY_URL",
    DEFAULT_LOCALITY_URL,
    "URL with {locality}",
    "Where each locality is public; its host is served, and clients of another locality are sent there.",
  ),
  setting(
    "CELLWAY_EDGE_HOSTS",
    "none",
    "host=locality, …",
    "Further hosts of the localities served: acme.example.com=acme.",
  ),
  setting(
    "CELLWAY_EDGE_LEGACY_HOSTS",
    "none",
    "hosts",
    "Ingest router: hosts of addresses that name no locality; the project key alone says where their events belong.",
  ),
  setting(
    "CELLWAY_EDGE_STATIC_ROUTES",
    "none",
    "/path/=cell, …",
    "Prefixes of paths without an organization, to the cell that serves them.",
  ),
  setting(
    "CELLWAY_EDGE_TRUSTED_PROXIES",
    "none",
    "addresses, CIDR",
    "Proxies before a router whose X-Forwarded-* and Forwarded are believed: 10.0.0.0/8,::1.",
  ),
  setting("CELLWAY_EDGE_ROUTES_FILE", "none", "path", "Where a router keeps its routes for a start without control."),
  setting(
    "CELLWAY_EDGE_HEALTH_CHECK_SECONDS",
    String(DEFAULT_PROXY_LIMITS.healthCheckMs / 1_000),
    "seconds, 0 to 3600",
    "Routers and gateway: longest pause before a cell in use is asked for /healthz; 0 asks none.",
  ),
  secret(
    "CELLWAY_EDGE_OPERATOR_TOKEN",
    "none",
    "32 characters or more",
    "Routers, and control for its gateway: who sends it in x-cellway-explain is told, in the same header, why a request goes where it goes.",
  ),
  setting(
    "CELLWAY_LOG_LEVEL",
    "info",
    "debug | info | warn | error | silent",
    "How much is logged, as JSON lines on standard error.",
  ),
] as const satisfies readonly SettingDefinition[];

/** The name of a setting that exists. */
export type SettingName = (typeof SETTINGS)[number]["name"];

/** The table of settings, for help. */
export function formatSettings(): string {
  const rows = SETTINGS.map((entry) => [entry.name, entry.fallback, entry.unit, entry.isSecret ? "secret" : ""]);
  const table = formatTable([heading("setting", "default", "value", ""), ...rows], 2);
  const meanings = SETTINGS.map((entry) => {
    const oldNames = oldNamesOf("SETTING", entry.name).map((old) => ` Old name: ${old}.`);
    return `  ${entry.name}\n      ${entry.meaning}${oldNames.join("")}`;
  });
  return `Settings, from the environment:\n${table}\n\n${meanings.join("\n")}`;
}

function setting<N extends string>(name: N, fallback: string, unit: string, meaning: string) {
  return { name, fallback, unit, meaning, isSecret: false };
}

function secret<N extends string>(name: N, fallback: string, unit: string, meaning: string) {
  return { name, fallback, unit, meaning, isSecret: true };
}
