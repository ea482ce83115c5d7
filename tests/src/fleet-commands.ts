import { createProcessRegistry, type ProcessRegistry } from "@cellway/fleet";
import { formatKeys, mintToken, TOKEN_SCHEME } from "@cellway/rpc";
import { formatTopology } from "@cellway/silo";
import { createLogger } from "@cellway/telemetry";
import type { Fleet } from "@cellway/testing";
import { runProgram } from "cellway/dist/program.js";
import { createTestContext } from "cellway/dist/test-context.js";

export const DAY_MS = 86_400_000;

/** What a command printed, and how it ended. */
export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command as the operator of a fleet. */
export async function runIn(fleet: Fleet, args: readonly string[], cwd = "/nowhere"): Promise<Printed> {
  const env = {
    CELLWAY_TOPOLOGY: JSON.stringify(formatTopology(fleet.topology)),
    CELLWAY_RPC_KEYS: formatKeys([fleet.masterKey]),
    CELLWAY_MODE: fleet.silos.has("monolith") ? "monolith" : "siloed",
  };
  const ctx = createTestContext({ env, cwd });
  const code = await runProgram(args, ctx);
  return { code, out: ctx.printed.out.join("\n"), err: ctx.printed.err.join("\n") };
}

/** Why something is kept, as `--json` says it. */
interface KeptReason {
  readonly silo: string;
  readonly why: string;
  readonly versions?: readonly string[];
  readonly users?: readonly { readonly caller: string; readonly service: string; readonly version: string }[];
}

/** `cellway contracts removable --json`. */
export async function askRemovable(fleet: Fleet, ...args: string[]) {
  const { code, out } = await runIn(fleet, ["contracts", "removable", "--json", ...args]);
  const answer = JSON.parse(out) as {
    readonly removable: readonly { readonly subject: string; readonly unusedMs: number }[];
    readonly kept: readonly { readonly subject: string; readonly reasons: readonly KeptReason[] }[];
    readonly lost: readonly { readonly silo: string; readonly count: number }[];
    readonly failures: readonly { readonly silo: string }[];
  };
  return {
    code,
    failures: answer.failures.map(({ silo }) => silo),
    lost: answer.lost,
    removable: answer.removable.map(({ subject }) => subject),
    unusedMs: (subject: string) => answer.removable.find((row) => row.subject === subject)?.unusedMs,
    /** `us1 USED`. */
    reasons: (subject: string) =>
      (answer.kept.find((row) => row.subject === subject)?.reasons ?? []).map(({ silo, why }) => `${silo} ${why}`),
    kept: (subject: string) => answer.kept.find((row) => row.subject === subject),
  };
}

/** Has every process report, as it does by itself every ten seconds. */
export async function reportAll(fleet: Fleet): Promise<void> {
  for (const silo of fleet.silos.values()) {
    for (const localMode of silo.silo.mode === "MONOLITH" ? (["CONTROL", "CELL"] as const) : [silo.silo.mode])
      await silo.registry(localMode).report();
  }
}

/** Another process of a cell, of a release that counts nothing. */
export function joinOldProcess(
  fleet: Fleet,
  cell: string,
  options: { version: string; now?: () => number },
): ProcessRegistry {
  const { version, now } = options;
  return createProcessRegistry({
    database: fleet.cell(cell).database("CELL"),
    localMode: "CELL",
    siloName: cell,
    build: () => ({ version, contract: "0123456789abcdef" }),
    logger: createLogger({ silo: cell, level: "silent" }),
    ...(now === undefined ? {} : { now }),
  });
}

/** A call by a tool with a token, over a socket; answers the HTTP status. */
export async function callWithToken(
  fleet: Fleet,
  silo: string,
  { path, request, headers = {} }: { path: string; request: object; headers?: Record<string, string> },
): Promise<number> {
  const claims = { audience: silo, caller: "control", method: "*", expiresAtMs: Date.now() + 60_000 };
  const token = mintToken(fleet.control.keys, claims);
  const response = await fetch(`${fleet.cell(silo).rpcAddress}${path}`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json", authorization: `${TOKEN_SCHEME} ${token}` },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(5_000),
  });
  await response.body?.cancel();
  return response.status;
}
