import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { NAMES, runCellway } from "./contenders.js";
import type { Load } from "./load.js";
import type { Finding, Scene } from "./scenarios.js";

const PER_SECOND = 5_000;

interface Sample {
  readonly atSeconds: number;
  readonly megabytes: number;
  readonly dead: number;
}

/** Whether the tables stay as small as their content while a load goes on for minutes. */
export async function measureBloat({ contenders, scale }: Scene): Promise<Finding[]> {
  // Ten minutes; a quick run takes half of its share.
  const seconds = Math.max(20, Math.round((scale < 0.5 ? 300 : 600) * scale));
  const load: Load = {
    total: PER_SECOND * seconds,
    perSecond: PER_SECOND,
    batch: 10,
    connections: 2,
    shards: 10_000,
    specialEvery: 0,
    special: {},
  };
  const sampling = new AbortController();
  const samples = sample(contenders.cellway.pool, sampling.signal);
  const result = await runCellway(contenders.cellway, load);
  sampling.abort();
  const taken = await samples;
  const third = (index: number) =>
    taken.filter(({ atSeconds }) => Math.min(2, Math.floor(atSeconds / (seconds / 3))) === index);
  const phases = ["first third", "second third", "last third"].map((phase, index) => ({
    phase,
    megabytes: Math.max(0, ...third(index).map((one) => one.megabytes)),
    dead: Math.max(0, ...third(index).map((one) => one.dead)),
  }));
  const [, middle, end] = phases;
  const isFlat = (end?.megabytes ?? 0) <= 1.2 * (middle?.megabytes ?? 0) + 1;
  // Vacuum comes by every ten seconds: before it has come often there is no size to keep.
  const verdict = seconds < 180 ? "too short to tell whether flat" : isFlat ? "flat" : "GROWING";
  return [
    {
      title: `Bloat: ${NAMES.cellway}, ${PER_SECOND}/s for ${seconds} s (p99 ${result.p99.toFixed(1)} ms): ${verdict}`,
      rows: phases.map(({ phase, megabytes, dead }) => ({
        phase,
        "most MB, tables and indexes": megabytes.toFixed(1),
        "most dead tuples": dead,
      })),
      figures: { seconds, perSecond: PER_SECOND, verdict, phases, samples: taken, result },
    },
  ];
}

async function sample(pool: pg.Pool, signal: AbortSignal): Promise<Sample[]> {
  const startedAt = performance.now();
  const samples: Sample[] = [];
  while (!signal.aborted) {
    const { rows } = await pool.query(
      `select sum(pg_total_relation_size(relid))::float8 / 1048576 as megabytes, sum(n_dead_tup)::float8 as dead
       from pg_stat_user_tables where schemaname = 'control' and relname like 'outbox%'`,
    );
    samples.push({ atSeconds: (performance.now() - startedAt) / 1_000, ...rows[0] });
    await sleep(1_000, undefined, { signal }).catch(() => undefined);
  }
  return samples;
}
