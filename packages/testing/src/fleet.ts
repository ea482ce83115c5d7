import type { DescService } from "@bufbuild/protobuf";
import { type RunningSilo, type ServiceModule, type SiloConfig, startSilo } from "@cellway/host";
import {
  createCellKeyRing,
  createHttpNetwork,
  createMasterKeyRing,
  createMemoryNetwork,
  createMethodSwitch,
  DEFAULT_LIMITS,
  deriveCellKey,
  type KeyRing,
  type MemoryNetwork,
  type MethodSwitch,
  type Network,
  type RpcLimits,
  type SigningKey,
} from "@cellway/rpc";
import { createCellSilo, createControlSilo, createMonolithSilo, type Silo, type Topology } from "@cellway/silo";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import type { Client } from "@connectrpc/connect";
import { findFreePorts } from "./ports.js";
import { createTestDatabase } from "./postgres.js";
import { createTestTopology } from "./topology.js";

/** What a test fleet is made of. */
export interface FleetOptions {
  readonly modules: readonly ServiceModule[];
  /** What a silo is made of in place of {@link modules}, such as those of another release. Asked at each of its starts. */
  readonly modulesOf?: (silo: string) => readonly ServiceModule[];
  /** Default `siloed`: control and three cells. */
  readonly mode?: "siloed" | "monolith";
  /** Default `memory`: the whole stack without sockets. */
  readonly network?: "memory" | "sockets";
  /** False sends JSON bodies. Default true. */
  readonly useBinaryFormat?: boolean;
  readonly limits?: Partial<RpcLimits>;
  readonly tokensAllowed?: boolean;
  /** The release that all silos are. Default `unknown`. */
  readonly version?: string;
  /** Old names that every silo is said to have been given. */
  readonly oldNames?: readonly string[];
  /** Milliseconds since the epoch. Default the real clock. */
  readonly now?: () => number;
  /** What the HTTP listeners of all silos believe of requests. Default nothing. */
  readonly trust?: SiloConfig["trust"];
  /** How many requests a minute silos serve over HTTP. Default that of packages/http. */
  readonly routeLimits?: SiloConfig["routeLimits"];
}

/** One silo of a fleet, with what a test may turn. */
export interface FleetSilo extends RunningSilo {
  readonly keys: KeyRing;
  readonly methodSwitch: MethodSwitch;
  readonly metrics: Metrics;
  readonly databaseUrl: string;
  /** What the silo logged so far, one JSON object a line. */
  readonly log: readonly string[];
}

/** A whole fleet inside one test. */
export interface Fleet {
  readonly topology: Topology;
  readonly masterKey: SigningKey;
  /** Control, or the monolith. */
  readonly control: FleetSilo;
  /** Every silo by name. */
  readonly silos: ReadonlyMap<string, FleetSilo>;
  /** The in-memory network; undefined with sockets. */
  readonly memory: MemoryNetwork | undefined;
  /** A cell; in a monolith the one silo. */
  cell(name: string): FleetSilo;
  /** A client as code in control has it. */
  client<S extends DescService>(service: S): Client<S>;
  /** Stops a silo and starts it again at the same address, on the same data. */
  restart(name: string): Promise<FleetSilo>;
  /** Stops one silo; calls to it fail until {@link Fleet.restart}. */
  stopSilo(name: string, graceMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** The master key of test fleets; not a secret. */
export const TEST_MASTER_KEY: SigningKey = { id: "test", secret: new Uint8Array(32).fill(7) };

/** Starts a fleet. Everything is stopped, and every database dropped, by `fleet.stop()`. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const memory = options.network === "sockets" ? undefined : createMemoryNetwork();
  const topology = await createFleetTopology(memory !== undefined, options.mode);
  const silos = new Map<string, FleetSilo>();
  const cleanups: (() => Promise<void>)[] = [];
  const recipes = new Map<string, () => Promise<FleetSilo>>();
  const stop = async () => {
    await Promise.all([...silos.values()].map((silo) => silo.stop({ graceMs: 200 })));
    for (const cleanup of cleanups.reverse()) await cleanup();
  };
  try {
    const all = createSilos(options, topology);
    const urls = await settleInOrder(all, async (silo) => {
      const database = await createTestDatabase(silo, options.modules);
      cleanups.push(() => database.drop());
      return database.url;
    });
    for (const [index, silo] of all.entries()) {
      recipes.set(silo.name, () => startFleetSilo(silo, urls[index] ?? "", { topology, memory, options, cleanups }));
    }
    // Cells ask control from their start on.
    for (const together of [all.slice(0, 1), all.slice(1)]) {
      const keep = (silo: FleetSilo, { name }: Silo) => void silos.set(name, silo);
      await settleInOrder(together, ({ name }) => startByRecipe(recipes, name), keep);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const find = (name: string): FleetSilo => {
    const silo = silos.get(name) ?? silos.get("monolith");
    if (silo === undefined) throw new Error(`There is no silo ${name} in this fleet.`);
    return silo;
  };
  return {
    topology,
    masterKey: TEST_MASTER_KEY,
    memory,
    silos,
    get control() {
      return find("control");
    },
    cell: find,
    client: (service) => find("control").rpc.client(service),
    async restart(name) {
      await silos.get(name)?.stop({ graceMs: 200 });
      const silo = await startByRecipe(recipes, name);
      silos.set(name, silo);
      return silo;
    },
    async stopSilo(name, graceMs = 0) {
      await find(name).stop({ graceMs });
    },
    stop,
  };
}

type Recipes = ReadonlyMap<string, () => Promise<FleetSilo>>;

async function startByRecipe(recipes: Recipes, name: string): Promise<FleetSilo> {
  const recipe = recipes.get(name);
  if (recipe === undefined) throw new Error(`There is no silo ${name} in this fleet.`);
  return recipe();
}

/**
 * Does the work for all at once and waits for the last, also when one fails; what was done is kept in the order of the items.
 *
 * @throws what the first that failed did.
 */
async function settleInOrder<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  keep: (done: R, item: T) => void = () => undefined,
): Promise<R[]> {
  const results = await Promise.allSettled(items.map(work));
  for (const [index, result] of results.entries()) {
    if (result.status === "fulfilled") keep(result.value, items[index] as T);
  }
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

function createSilos(options: FleetOptions, topology: Topology): Silo[] {
  const cells = [...topology.cells.keys()];
  return options.mode === "monolith"
    ? [createMonolithSilo(cells)]
    : [createControlSilo(), ...cells.map(createCellSilo)];
}

async function createFleetTopology(isMemory: boolean, mode: FleetOptions["mode"]): Promise<Topology> {
  const localityUrl = mode === "monolith" ? undefined : "https://{locality}.example.test";
  if (isMemory) return createTestTopology(undefined, localityUrl);
  const names = ["control", "us1", "us2", "de1"];
  const ports = await findFreePorts(names.length);
  return createTestTopology((silo) => `http://127.0.0.1:${ports[names.indexOf(silo)]}`, localityUrl);
}

/** What the silos of one fleet share. */
interface FleetParts {
  readonly topology: Topology;
  readonly memory: MemoryNetwork | undefined;
  readonly options: FleetOptions;
  /** Done in reverse order when the fleet stops. */
  readonly cleanups: (() => Promise<void>)[];
}

async function startFleetSilo(silo: Silo, databaseUrl: string, fleet: FleetParts): Promise<FleetSilo> {
  const { topology, memory, options, cleanups } = fleet;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const network: Network = memory ?? createHttpNetwork(limits);
  if (memory === undefined) cleanups.push(() => network.close());
  const keys =
    silo.mode === "CELL"
      ? createCellKeyRing(silo.name, [deriveCellKey(TEST_MASTER_KEY, silo.name)])
      : createMasterKeyRing([TEST_MASTER_KEY]);
  const log: string[] = [];
  const parts = {
    keys,
    methodSwitch: createMethodSwitch(),
    metrics: createMetrics({ silo: silo.name }),
    databaseUrl,
    log,
  };
  const running = await startSilo(
    {
      ...parts,
      silo,
      topology,
      network,
      rpcListen: topology.cells.get(silo.name)?.rpcAddress ?? topology.controlRpcAddress,
      httpListen: "http://127.0.0.1:0",
      logger: createLogger({ silo: silo.name, level: "debug", stream: { write: (line) => void log.push(line) } }),
      tokensAllowed: options.tokensAllowed ?? true,
      reflection: "open",
      limits,
      useBinaryFormat: options.useBinaryFormat ?? true,
      poolMax: 5,
      ...(options.version === undefined ? {} : { version: options.version }),
      ...(options.oldNames === undefined ? {} : { oldNames: options.oldNames }),
      ...(options.now === undefined ? {} : { now: options.now }),
      ...(options.trust === undefined ? {} : { trust: options.trust }),
      ...(options.routeLimits === undefined ? {} : { routeLimits: options.routeLimits }),
    },
    options.modulesOf?.(silo.name) ?? options.modules,
  );
  return { ...running, ...parts };
}
