import { DestinationAwayError } from "@cellway/outbox";
import { median } from "../rpc/measure.js";
import { fill, type Handle } from "./cellway.js";
import { type LiveOptions, runCellway } from "./contenders.js";
import type { Load } from "./load.js";
import type { BenchDatabase } from "./postgres.js";
import type { Finding, Scene } from "./scenarios.js";

const POISONED_SHARD = 1_000_000;
/** Rows of the poisoned shard, or for the dead destination, that wait from the beginning. */
const BACKLOG = 2_000;

interface Fault {
  readonly name: string;
  /** Where one message of fifty goes. */
  readonly special: Load["special"];
  readonly options: LiveOptions;
}

const hang: Handle = () => new Promise(() => {});

const FAULTS: readonly Fault[] = [
  {
    name: "a shard throws",
    special: { shard: POISONED_SHARD },
    options: {
      special: async () => {
        throw new Error("INTERNAL");
      },
    },
  },
  { name: "a shard hangs", special: { shard: POISONED_SHARD }, options: { special: hang } },
  {
    name: "a destination is dead",
    special: { to: "us2" },
    options: {
      deliverElsewhere() {
        throw new DestinationAwayError("us2 is away");
      },
    },
  },
];

/** What a poisoned shard, or a dead destination, does to the others: against the same load without it, taking turns. */
export async function measureFaults({ contenders, scale }: Scene): Promise<Finding[]> {
  const seconds = Math.max(2, 20 * scale);
  const rounds = scale >= 0.5 ? 3 : 1;
  const findings: Finding[] = [];
  for (const isPinned of [false, true]) {
    const p99s = new Map<string, number[]>();
    for (let round = 0; round < rounds; round += 1) {
      for (const fault of [undefined, ...FAULTS]) {
        const run = () => runWith(contenders.cellway, seconds, fault);
        const result = isPinned ? await whilePinned(contenders.cellway, run) : await run();
        const name = fault?.name ?? "none";
        p99s.set(name, [...(p99s.get(name) ?? []), result.p99]);
      }
    }
    findings.push(toFinding(p99s, { isPinned, seconds, rounds }));
  }
  return findings;
}

function runWith(database: BenchDatabase, seconds: number, fault: Fault | undefined) {
  const load: Load = {
    total: 10_000 * seconds,
    perSecond: 10_000,
    batch: 20,
    connections: 4,
    shards: 10_000,
    specialEvery: 50,
    special: fault?.special ?? {},
  };
  const backlog = Array.from({ length: BACKLOG }, (_, index) => ({
    shard: POISONED_SHARD,
    object: -1 - index,
    ...fault?.special,
  }));
  return runCellway(database, load, {
    ...fault?.options,
    before: () => (fault === undefined ? Promise.resolve() : fill(database.pool, backlog)),
  });
}

/** A transaction that has an id and a snapshot, and does not end: nothing that dies meanwhile can be cleared away. */
async function whilePinned<T>({ pool }: BenchDatabase, work: () => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin isolation level repeatable read");
    await client.query("create temporary table pin (id int)");
    await client.query("select pg_current_xact_id()");
    return await work();
  } finally {
    await client.query("rollback");
    client.release();
  }
}

function toFinding(
  p99s: ReadonlyMap<string, readonly number[]>,
  { isPinned, seconds, rounds }: { isPinned: boolean; seconds: number; rounds: number },
): Finding {
  const base = median(p99s.get("none") ?? []);
  const figures = [...p99s].map(([fault, taken]) => ({
    fault,
    p99: median(taken),
    taken,
    ratio: median(taken) / base,
  }));
  const pinned = isPinned ? "; a transaction has pinned the horizon all the while" : "";
  return {
    title: `The others' p99 beside a fault: 10,000/s for ${seconds} s, ${rounds} times in turn${pinned}`,
    rows: figures.map(({ fault, p99, taken, ratio }) => ({
      fault,
      "p99 ms": p99.toFixed(1),
      ratio: ratio.toFixed(2),
      each: taken.map((value) => value.toFixed(1)).join(" "),
    })),
    figures: { isPinned, seconds, figures },
  };
}
