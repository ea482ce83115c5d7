import { NAMES, runCellway, runPeer } from "./contenders.js";
import type { LiveResult } from "./live.js";
import type { Load } from "./load.js";
import type { Finding, Row, Scene } from "./scenarios.js";

const PLAIN = { specialEvery: 0, special: {} };

/** One message at a time, idle in between: commit to delivery; also while the connection that listens is killed. */
export async function measureLatency({ contenders, scale }: Scene): Promise<Finding[]> {
  const load: Load = {
    total: Math.max(100, Math.round(1_000 * scale)),
    perSecond: 100,
    batch: 1,
    connections: 1,
    shards: 1_000,
    ...PLAIN,
  };
  const { pool } = contenders.cellway;
  const kill = (database: typeof pool, listeners: string) => () =>
    database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and ${listeners}`,
    );
  // Its connection is one of a pool: told by what it did last.
  const graphileListeners = `datname = 'graphile' and query ~* 'listen "jobs:insert"'`;
  const ofBoss = { ...load, total: Math.max(20, Math.round(50 * scale)) };
  const figures = [
    { name: NAMES.cellway, ...(await runCellway(contenders.cellway, load)) },
    {
      name: `${NAMES.cellway}, LISTEN killed each second`,
      ...(await whileRepeating(kill(pool, "application_name = 'cellway-control-outbox'"), () =>
        runCellway(contenders.cellway, load),
      )),
    },
    { name: NAMES.graphile, ...(await runPeer(contenders, "graphile", load, 5_000)) },
    {
      name: `${NAMES.graphile}, LISTEN killed each second`,
      ...(await whileRepeating(kill(contenders.graphile.pool, graphileListeners), () =>
        runPeer(contenders, "graphile", load, 5_000),
      )),
    },
    { name: `${NAMES["pg-boss"]} (polls each 0.5 s)`, ...(await runPeer(contenders, "pg-boss", ofBoss, 5_000)) },
  ];
  const best = Math.min(...figures.filter(({ name }) => !name.startsWith(NAMES.cellway)).map(({ p99 }) => p99));
  return [
    {
      title: `Idle: one message each 10 ms, ${load.total} of them; the writer is another thread; ratios against the best peer`,
      rows: figures.map((figure) => toRow(figure, (figure.p99 / best).toFixed(2))),
      figures,
    },
  ];
}

async function whileRepeating<T>(repeat: () => Promise<unknown>, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => void repeat().catch(() => undefined), 1_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** In and out together, at the rate that is asked for. */
export async function measureSteady({ contenders, scale }: Scene): Promise<Finding[]> {
  const seconds = Math.max(3, 20 * scale);
  const load: Load = {
    total: 20_000 * seconds,
    perSecond: 20_000,
    batch: 20,
    connections: 4,
    shards: 10_000,
    ...PLAIN,
  };
  // A peer that does not keep up is as slow in a few seconds as in many.
  const ofPeer = { ...load, total: 20_000 * Math.min(seconds, 3) };
  const figures = [
    { name: `${NAMES.cellway}, 10k shards`, ...(await runCellway(contenders.cellway, load)) },
    { name: `${NAMES.cellway}, 100 shards`, ...(await runCellway(contenders.cellway, { ...load, shards: 100 })) },
    { name: `${NAMES.graphile}, no order`, ...(await runPeer(contenders, "graphile", ofPeer, 3_000)) },
    { name: `${NAMES["pg-boss"]}, no order`, ...(await runPeer(contenders, "pg-boss", ofPeer, 3_000)) },
  ];
  const best = Math.max(...figures.slice(2).map((figure) => figure.deliveredPerSecond));
  return [
    {
      title: `In and out together: 20,000/s offered for ${seconds} s, 20 rows a transaction; ratios against the best peer`,
      rows: figures.map((figure) => toRow(figure, (figure.deliveredPerSecond / best).toFixed(2))),
      figures,
    },
  ];
}

/** Eight writers on the same shards: nothing may come out of order. */
export async function measureProducers({ contenders, scale }: Scene): Promise<Finding[]> {
  const load: Load = {
    total: Math.max(20_000, Math.round(100_000 * scale)),
    perSecond: Number.POSITIVE_INFINITY,
    batch: 5,
    connections: 8,
    shards: 50,
    isScattered: true,
    ...PLAIN,
  };
  const result = await runCellway(contenders.cellway, load);
  return [
    {
      title: "Eight writers on 50 shards, as fast as they go, 5 rows a transaction",
      // An inversion is an error: then there is no figure.
      rows: [{ ...toRow({ name: NAMES.cellway, ...result }, ""), "out of order": 0 }],
      figures: { ...result, inversions: 0 },
    },
  ];
}

function toRow({ name, ...result }: LiveResult & { name: string }, ratio: string): Row {
  return {
    contender: name,
    "in/s": Math.round(result.writtenPerSecond),
    "out/s": Math.round(result.deliveredPerSecond),
    "p50 ms": result.p50.toFixed(1),
    "p99 ms": result.p99.toFixed(1),
    "p99 from statement": result.sentP99.toFixed(1),
    ratio,
    "not in time": result.missing,
  };
}
