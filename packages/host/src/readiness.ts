import { Health, HealthCheckResponse_ServingStatus as Status } from "@cellway/gen/grpc/health/v1/health";
import type { Network } from "@cellway/rpc";
import type { Logger } from "@cellway/telemetry";
import { createClient } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-connect";

/** What `/readyz` says. */
export interface ReadinessReport {
  /** Whether traffic may come: the database answers and its schema is the one this code needs. */
  readonly ready: boolean;
  /** `ok` or `unreachable`. Why is in the log: the error may name hosts and users. */
  readonly database: string;
  /** Names of expand steps that are not applied, and contract steps that were and need a newer release; mostly empty. */
  readonly migrations_pending: readonly string[];
  /** The other silos as last seen, for people; `unknown` until then. They do not decide: a cell serves on while control is away. */
  readonly peers: Readonly<Record<string, string>>;
}

/** Answers whether the silo can serve. */
export interface Readiness {
  /** Fresh as to the database. Peers are as last seen: they are looked at again behind the answer. */
  check(): Promise<ReadinessReport>;
  /** From now on the answer is no: the silo is stopping. */
  stop(): void;
}

/** One thing that must answer. Returns the names of what is missing; rejects when it cannot be reached. */
export type SchemaCheck = () => Promise<readonly string[]>;

const PEERS_MAX_AGE_MS = 5_000;
const PEER_TIMEOUT_MS = 1_000;
const PEERS_AT_ONCE = 16;
/** How long an answer waits for peers that have not been looked at before. */
const PEERS_FIRST_WAIT_MS = 100;

/** Creates the check over the silo's databases and peers. */
export function createReadiness(options: {
  schemaChecks: readonly SchemaCheck[];
  /** Name to RPC origin, as it is now. While it rejects, the peers are those of before. */
  listPeers: () => Promise<ReadonlyMap<string, string>>;
  network: Network;
  /** Told why the database cannot be reached, once per cause. */
  logger?: Logger;
}): Readiness {
  let isStopping = false;
  const readPeers = createPeerMemory(options.listPeers, options.network);
  const reportDatabase = createCauseLog(options.logger);
  return {
    async check() {
      const peers = readPeers();
      let database = "ok";
      let pending: readonly string[] = [];
      try {
        pending = (await Promise.all(options.schemaChecks.map((check) => check()))).flat();
        reportDatabase(undefined);
      } catch (error) {
        database = "unreachable";
        reportDatabase(error);
      }
      const ready = !isStopping && database === "ok" && pending.length === 0;
      return { ready, database, migrations_pending: pending, peers: await peers };
    },
    stop() {
      isStopping = true;
    },
  };
}

/** Logs an error when it is another than the last time. */
function createCauseLog(logger: Logger | undefined): (error: unknown) => void {
  let last: string | undefined;
  return (error) => {
    const cause = error instanceof Error || error === undefined ? error?.message : "no error";
    if (cause !== undefined && cause !== last) logger?.warn({ err: error }, "the database cannot be reached");
    last = cause;
  };
}

/** What is known of the peers. Looks at them again when that is old, one round at a time, and waits only for the first. */
function createPeerMemory(
  listPeers: () => Promise<ReadonlyMap<string, string>>,
  network: Network,
): () => Promise<Readonly<Record<string, string>>> {
  let known = new Map<string, string>();
  let round: Promise<void> | undefined;
  let isFirst = true;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  async function lookAround(): Promise<void> {
    const peers = await listPeers().catch(() => undefined);
    if (peers === undefined) return;
    known = new Map([...peers.keys()].sort().map((name) => [name, known.get(name) ?? "unknown"]));
    await checkPeers(peers, network, known);
  }
  return async () => {
    if (round === undefined && Date.now() - checkedAtMs > PEERS_MAX_AGE_MS) {
      round = lookAround().finally(() => {
        round = undefined;
        isFirst = false;
        checkedAtMs = Date.now();
      });
    }
    if (isFirst && round !== undefined) await waitAtMost(PEERS_FIRST_WAIT_MS, round);
    return Object.fromEntries(known);
  };
}

async function waitAtMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, waited]).finally(() => clearTimeout(timer));
}

async function checkPeers(
  peers: ReadonlyMap<string, string>,
  network: Network,
  known: Map<string, string>,
): Promise<void> {
  const waiting = [...peers];
  const workers = Array.from({ length: Math.min(PEERS_AT_ONCE, waiting.length) }, async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [name, address] = next;
      known.set(name, await checkPeer(address, network));
    }
  });
  await Promise.all(workers);
}

async function checkPeer(address: string, network: Network): Promise<string> {
  const transport = createTransport({
    baseUrl: address,
    httpClient: network.send,
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: 65_536,
    writeMaxBytes: 65_536,
  });
  try {
    const answer = await createClient(Health, transport).check({ service: "" }, { timeoutMs: PEER_TIMEOUT_MS });
    return answer.status === Status.SERVING ? "ok" : "not ready";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
