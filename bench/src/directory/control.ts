import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@cellway/database";
import { directoryModule } from "@cellway/directory";
import { migrateSilo, type RunningSilo, startSilo } from "@cellway/host";
import { integrationModule } from "@cellway/integration";
import { createHttpNetwork, createMasterKeyRing, createMethodSwitch, DEFAULT_LIMITS, type KeyRing } from "@cellway/rpc";
import { createControlSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { createTestTopology, findFreePorts, TEST_MASTER_KEY } from "@cellway/testing";
import { userModule } from "@cellway/user";

/** Control with the directory and those who tell cells of what it knows, on a durable PostgreSQL of its own. */
export interface BenchControl {
  readonly silo: RunningSilo;
  readonly databaseUrl: string;
  readonly rpcAddress: string;
  readonly keys: KeyRing;
  stop(): Promise<void>;
}

/** Starts it after its database was filled. */
export async function startBenchControl(fill: (databaseUrl: string) => Promise<void>): Promise<BenchControl> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-bench-"));
  const postgres = await startEmbeddedPostgres({ dataDir, durable: true });
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const silo = createControlSilo();
  const databaseUrl = postgres.url("postgres");
  const modules = [userModule, integrationModule, directoryModule];
  await migrateSilo({ silo, databaseUrl, modules });
  await fill(databaseUrl);
  const [port] = await findFreePorts(1);
  const rpcAddress = `http://127.0.0.1:${port}`;
  const keys = createMasterKeyRing([TEST_MASTER_KEY]);
  const running = await startSilo(
    {
      silo,
      topology: createTestTopology((name) => (name === "control" ? rpcAddress : `http://${name}.test:1`)),
      network,
      keys,
      databaseUrl,
      rpcListen: rpcAddress,
      httpListen: "http://127.0.0.1:0",
      logger: createLogger({ silo: silo.name, level: "silent" }),
      metrics: createMetrics({ silo: silo.name }),
      methodSwitch: createMethodSwitch(),
      tokensAllowed: false,
      reflection: "open",
      limits: DEFAULT_LIMITS,
      useBinaryFormat: true,
      poolMax: 5,
    },
    modules,
  );
  return {
    silo: running,
    databaseUrl,
    rpcAddress,
    keys,
    async stop() {
      await running.stop({ graceMs: 200 });
      await network.close();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
