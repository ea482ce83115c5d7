import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningSilo, type ServiceModule, type SiloConfig, startSilo } from "@cellway/host";
import { createMasterKeyRing, createMemoryNetwork, createMethodSwitch } from "@cellway/rpc";
import type { Silo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { createTestTopology, TEST_MASTER_KEY, testPostgresUrl, withDatabase } from "@cellway/testing";
import pg from "pg";
import { MODULES } from "./modules.js";

/** Runs one statement on a connection of its own. */
export async function queryOnce<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

let created = 0;

/** A database with nothing in it. */
export async function createEmptyDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const admin = testPostgresUrl();
  created += 1;
  const name = `empty_${process.pid}_${created}`;
  await queryOnce(admin, `create database ${name}`);
  return {
    url: withDatabase(admin, name),
    drop: async () => void (await queryOnce(admin, `drop database if exists ${name} with (force)`)),
  };
}

/** A silo without its fleet: nobody else is on its network, unless it is given one. */
export function startLoneSilo(
  silo: Silo,
  databaseUrl: string,
  overrides: Partial<Pick<SiloConfig, "topology" | "rpcListen" | "keys" | "network" | "version">> = {},
  modules: readonly ServiceModule[] = MODULES,
): Promise<RunningSilo> {
  return startSilo(
    {
      silo,
      topology: createTestTopology(),
      databaseUrl,
      rpcListen: `http://${silo.name}.test:1`,
      httpListen: "http://127.0.0.1:0",
      keys: createMasterKeyRing([TEST_MASTER_KEY]),
      methodSwitch: createMethodSwitch(),
      network: createMemoryNetwork(),
      ...overrides,
      logger: createLogger({ silo: silo.name, level: "silent" }),
      metrics: createMetrics({ silo: silo.name }),
      tokensAllowed: false,
      reflection: "off",
      poolMax: 5,
    },
    modules,
  );
}

/** A way to the run's PostgreSQL that can be cut. */
export interface CuttableDatabase {
  readonly url: string;
  /** Ends all connections; new ones are refused until {@link mend}. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** Puts a way that can be cut in front of a database of the run's PostgreSQL, which listens on a unix socket. */
export async function openCuttable(url: string): Promise<CuttableDatabase> {
  const folder = await mkdtemp(join(tmpdir(), "cellway-cut-"));
  const socketFile = ".s.PGSQL.5432";
  const realFolder = decodeURIComponent(/[?&]host=([^&]*)/.exec(url)?.[1] ?? "");
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const mend = async () => {
    const listening = createServer((near) =>
      joinSockets(near, createConnection(join(realFolder, socketFile)), sockets),
    );
    await new Promise<void>((resolve, reject) => {
      listening.once("error", reject).listen(join(folder, socketFile), resolve);
    });
    server = listening;
  };
  const cut = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    server = undefined;
  };
  await mend();
  return {
    url: url.replace(/host=[^&]*/, `host=${encodeURIComponent(folder)}`),
    cut,
    mend,
    async close() {
      await cut();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Two ends of one connection: what comes in at one goes out at the other, and they end together. */
function joinSockets(near: Socket, far: Socket, sockets: Set<Socket>): void {
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(one);
    one.pipe(other);
    one.on("error", () => other.destroy());
    one.on("close", () => {
      sockets.delete(one);
      other.destroy();
    });
  }
}
