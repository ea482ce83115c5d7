import { ALIASES } from "@cellway/silo";
import type { Environment } from "../context.js";
import type { PlannedSilo } from "./fleet-plan.js";

/** Settings that `dev` decides, or that would contradict those. All others of the caller reach the silos. */
const DECIDED = [
  "CELLWAY_CELL",
  "CELLWAY_TOPOLOGY",
  "CELLWAY_MODE",
  "CELLWAY_DATABASE_URL",
  "CELLWAY_RPC_LISTEN",
  "CELLWAY_HTTP_LISTEN",
  "CELLWAY_RPC_KEYS",
  "CELLWAY_RPC_KEYS_FILE",
  ...ALIASES.filter(({ kind }) => kind === "SETTING").map(({ old }) => old),
];

/**
 * The environment of one silo's process. For development: the schema is open, tokens are accepted, and every call is
 * logged, unless the caller's environment says otherwise.
 */
export function createChildEnvironment(
  env: Environment,
  silo: PlannedSilo,
  files: { topology: string; keys: string; databaseUrl: string },
): Record<string, string | undefined> {
  const decided = new Set(DECIDED);
  const inherited = Object.entries(env).filter(([name]) => !decided.has(name));
  return {
    CELLWAY_LOG_LEVEL: "debug",
    CELLWAY_RPC_TOKENS_ALLOWED: "true",
    CELLWAY_RPC_REFLECTION: "open",
    ...Object.fromEntries(inherited),
    ...(silo.kind === "cell" ? { CELLWAY_CELL: silo.name } : {}),
    CELLWAY_TOPOLOGY: files.topology,
    CELLWAY_DATABASE_URL: files.databaseUrl,
    CELLWAY_RPC_LISTEN: silo.rpcAddress,
    CELLWAY_HTTP_LISTEN: silo.httpAddress,
    CELLWAY_RPC_KEYS_FILE: files.keys,
  };
}
