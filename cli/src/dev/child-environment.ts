import { ALIASES, type Topology } from "@cellway/silo";
import type { Environment } from "../context.js";
import { DEV_DOMAIN, type FleetPlan, type PlannedEdge, type PlannedSilo } from "./fleet-plan.js";

/** Settings that `dev` decides, or that would contradict those. All others of the caller reach the silos and routers. */
const DECIDED = [
  "CELLWAY_CELL",
  "CELLWAY_TOPOLOGY",
  "CELLWAY_MODE",
  "CELLWAY_DATABASE_URL",
  "CELLWAY_RPC_LISTEN",
  "CELLWAY_HTTP_LISTEN",
  "CELLWAY_RPC_KEYS",
  "CELLWAY_RPC_KEYS_FILE",
  "CELLWAY_CONTROL_RPC_ADDRESS",
  "CELLWAY_EDGE_HOSTS",
  "CELLWAY_EDGE_NAME",
  "CELLWAY_EDGE_LISTEN",
  "CELLWAY_EDGE_LOCALITIES",
  "CELLWAY_EDGE_LOCALITY_URL",
  "CELLWAY_EDGE_OPERATOR_TOKEN",
  "CELLWAY_EDGE_ROUTES_FILE",
  ...ALIASES.filter(({ kind }) => kind === "SETTING").map(({ old }) => old),
];

/**
 * The environment of one silo's process. For development: the schema is open, tokens are accepted, routers here are believed, the
 * session cookie is for all hosts below cellway.localhost, and every call is logged, unless the caller's environment says otherwise.
 */
export function createChildEnvironment(
  env: Environment,
  silo: PlannedSilo,
  files: { topology: string; keys: string; databaseUrl: string; operatorToken: string },
): Record<string, string | undefined> {
  return {
    CELLWAY_LOG_LEVEL: "debug",
    CELLWAY_RPC_TOKENS_ALLOWED: "true",
    CELLWAY_RPC_REFLECTION: "open",
    // No client shares cookies between localhost and what is below it.
    CELLWAY_SESSION_COOKIE_DOMAIN: DEV_DOMAIN,
    ...(silo.kind === "cell" ? { CELLWAY_HTTP_TRUSTED_PROXIES: "127.0.0.1,::1" } : {}),
    ...inherit(env),
    ...(silo.kind === "cell" ? { CELLWAY_CELL: silo.name } : {}),
    CELLWAY_TOPOLOGY: files.topology,
    CELLWAY_DATABASE_URL: files.databaseUrl,
    CELLWAY_RPC_LISTEN: silo.rpcAddress,
    CELLWAY_HTTP_LISTEN: silo.httpAddress,
    CELLWAY_RPC_KEYS_FILE: files.keys,
    CELLWAY_EDGE_OPERATOR_TOKEN: files.operatorToken,
  };
}

/** The environment of one router's process. */
export function createEdgeEnvironment(
  env: Environment,
  edge: PlannedEdge,
  plan: Pick<FleetPlan, "topology">,
  files: { keys: string; routes: string; operatorToken: string },
): Record<string, string | undefined> {
  return {
    ...(edge.kind === "ingest-router" ? { CELLWAY_EDGE_LEGACY_HOSTS: "localhost" } : {}),
    ...inherit(env),
    ...(edge.kind === "locality-router" ? { CELLWAY_EDGE_HOSTS: listHosts(plan.topology) } : {}),
    CELLWAY_EDGE_NAME: edge.name,
    CELLWAY_EDGE_LISTEN: edge.address,
    CELLWAY_HTTP_LISTEN: edge.httpAddress,
    CELLWAY_EDGE_LOCALITIES: [...plan.topology.localities.keys()].join(","),
    CELLWAY_EDGE_LOCALITY_URL: edge.localityUrl,
    CELLWAY_CONTROL_RPC_ADDRESS: plan.topology.controlRpcAddress,
    CELLWAY_RPC_KEYS_FILE: files.keys,
    CELLWAY_EDGE_ROUTES_FILE: files.routes,
    CELLWAY_EDGE_OPERATOR_TOKEN: files.operatorToken,
  };
}

/** `us.cellway.localhost=us,…`: for clients with a session. */
function listHosts({ localities }: Topology): string {
  return [...localities.keys()].map((locality) => `${locality}.${DEV_DOMAIN}=${locality}`).join(",");
}

function inherit(env: Environment): Record<string, string | undefined> {
  const decided = new Set(DECIDED);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !decided.has(name)));
}
