import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { deriveCellKey, formatKeys } from "@cellway/rpc";
import { parseTopology } from "@cellway/silo";
import { findFreePorts, TEST_MASTER_KEY, testPostgresUrl, withDatabase } from "@cellway/testing";
import { createOperator, type Operator } from "cellway/dist/operator.js";
import pg from "pg";
import type { SiloQuery } from "../agreement.js";
import { type Balancer, startBalancer } from "./balancer.js";
import { SiloGroup } from "./silo-group.js";
import type { Tree } from "./trees.js";

export const CELLS = ["us1", "us2", "de1"];

/** The silos of the fleet, control first. */
export const SILOS = ["control", ...CELLS];

/** A fleet of real processes, of which each silo may run another release. */
export interface SkewFleet {
  readonly operator: Operator;
  readonly query: SiloQuery;
  /** Brings silos to a tree, one after the other; see {@link SiloGroup.deploy}. */
  deploy(tree: Tree, silos: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** How a fleet is started. */
export interface SkewFleetOptions {
  /** Processes of each silo. */
  readonly processes: number;
}

/** Starts every silo on one tree, each with a database of its own and a balancer before it. */
export async function startSkewFleet(tree: Tree, options: SkewFleetOptions): Promise<SkewFleet> {
  const folder = await mkdtemp(join(tmpdir(), "cellway-skew-"));
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    const outcomes = [];
    for (const step of undo.reverse()) outcomes.push(...(await Promise.allSettled([step()])));
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  };
  try {
    return { ...(await openFleet({ tree, folder, ...options }, undo)), stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

async function openFleet(
  { tree, folder, processes }: SkewFleetOptions & { readonly tree: Tree; readonly folder: string },
  undo: (() => Promise<unknown>)[],
): Promise<Omit<SkewFleet, "stop">> {
  const balancers = new Map<string, Balancer>();
  for (const port of await findFreePorts(SILOS.length)) {
    const balancer = await startBalancer(port);
    balancers.set(SILOS[balancers.size] ?? "", balancer);
    undo.push(() => balancer.close());
  }
  const topology = createTopology(balancers);
  const databases = new Map<string, string>();
  const groups = new Map<string, SiloGroup>();
  for (const [silo, balancer] of balancers) {
    const database = await createDatabase(`${basename(folder).replaceAll("-", "_")}_${silo}`);
    undo.push(() => database.drop());
    databases.set(silo, database.url);
    const group = new SiloGroup(silo, {
      kind: silo === "control" ? "control" : "cell",
      balancer,
      env: createEnvironment(silo, topology, database.url),
      folder,
      processes,
    });
    undo.push(() => group.close());
    groups.set(silo, group);
    await group.open(tree);
  }
  const operator = createOperator({
    mode: "siloed",
    topology: parseTopology(topology, "skew"),
    masterKeys: [TEST_MASTER_KEY],
    source: "skew",
  });
  undo.push(() => operator.close());
  return {
    operator,
    query: (silo, sql) => withClient(databases.get(silo) ?? "", async (client) => (await client.query(sql)).rows),
    async deploy(wanted, silos) {
      for (const silo of silos) await groups.get(silo)?.deploy(wanted);
    },
  };
}

/** The fleet of `npm start`. */
function createTopology(balancers: ReadonlyMap<string, Balancer>): object {
  const addressOf = (silo: string) => balancers.get(silo)?.address;
  return {
    control: { rpc_address: addressOf("control") },
    cells: CELLS.map((name, index) => ({ name, number: index + 1, rpc_address: addressOf(name) })),
    localities: [
      { name: "us", display_name: "United States", cells: ["us1", "us2"], new_organization_cell: "us1" },
      { name: "de", display_name: "Germany", cells: ["de1"], new_organization_cell: "de1" },
    ],
  };
}

function createEnvironment(silo: string, topology: object, databaseUrl: string) {
  const isCell = silo !== "control";
  return {
    PATH: process.env["PATH"],
    CELLWAY_LOG_LEVEL: "info",
    CELLWAY_TOPOLOGY: JSON.stringify(topology),
    CELLWAY_DATABASE_URL: databaseUrl,
    CELLWAY_DATABASE_POOL_MAX: "4",
    CELLWAY_RPC_KEYS: formatKeys([isCell ? deriveCellKey(TEST_MASTER_KEY, silo) : TEST_MASTER_KEY]),
    ...(isCell ? { CELLWAY_CELL: silo } : {}),
  };
}

async function createDatabase(name: string): Promise<{ url: string; drop(): Promise<unknown> }> {
  const admin = testPostgresUrl();
  await withClient(admin, (client) => client.query(`create database "${name}"`));
  return {
    url: withDatabase(admin, name),
    drop: () => withClient(admin, (client) => client.query(`drop database if exists "${name}" with (force)`)),
  };
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
