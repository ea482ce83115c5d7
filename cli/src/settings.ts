import { DEFAULT_ROUTE_LIMITS } from "@cellway/http/gate";
import { oldNamesOf } from "@cellway/silo";
import { DEFAULT_SESSION_TIMEOUTS } from "@cellway/user/session-limits";
import { EDGE_SETTINGS } from "./edge-setting-list.js";
import { type SettingDefinition, secret, setting } from "./setting-definition.js";
import { formatTable, heading } from "./table.js";

/** Where RPC is served when nothing is said. */
export const DEFAULT_RPC_LISTEN = "http://127.0.0.1:8001";

/** Where HTTP is served when nothing is said. */
export const DEFAULT_HTTP_LISTEN = "http://127.0.0.1:8000";

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
  ...EDGE_SETTINGS,
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
