import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { BenchOptions } from "../options.js";
import { median } from "../rpc/measure.js";
import { printTable } from "../table.js";
import {
  type Contender,
  createDataset,
  createLocatorContender,
  createMapContender,
  type Dataset,
  toOwnText,
} from "./contenders.js";

const ORGANIZATIONS = 1_000_000;
/** Windows per contender and task. The contenders take turns, so that a noisy minute hits all of them. */
const ROUNDS = 9;
const BASELINE = "plain Maps";

interface Figure {
  readonly task: string;
  readonly name: string;
  readonly perSecond: number;
}

/** Our table of routes beside plain Maps of the same data, in one process, taking turns. Prints tables and writes JSON. */
export async function runLocatorBench(options: BenchOptions): Promise<void> {
  const count = Math.round(ORGANIZATIONS * options.scale);
  console.log(`node ${process.version}, ${cpus().length} cpus (${cpus()[0]?.model.trim() ?? "unknown"})`);
  console.log(`${count} organizations; medians of ${ROUNDS} alternating windows\n`);
  const dataset = createDataset(count);
  const contenders: Contender[] = [];
  const memory = [createLocatorContender, createMapContender].map((create) => {
    const filled = measureStep(count, () => create(dataset));
    contenders.push(filled.result);
    return { name: filled.result.name, bytesPerOrganization: filled.bytes, fillSeconds: filled.seconds };
  });
  printTable(
    memory.map(({ name, bytesPerOrganization, fillSeconds }) => ({
      contender: name,
      "bytes/organization": Math.round(bytesPerOrganization),
      "fill s": fillSeconds.toFixed(2),
    })),
  );
  console.log("");
  const figures = TASKS.flatMap((task) => compare(task, contenders, dataset));
  const keys = contenders.map((contender) => ({
    name: contender.name,
    bytesPerAlias: measureStep(count, () => contender.addAliases()).bytes,
    bytesPerProjectKey: measureStep(count, () => contender.addProjectKeys()).bytes,
  }));
  console.log("One alias and one project key more for each organization");
  printTable(
    keys.map(({ name, bytesPerAlias, bytesPerProjectKey }) => ({
      contender: name,
      "bytes/alias": Math.round(bytesPerAlias),
      "bytes/project key": Math.round(bytesPerProjectKey),
    })),
  );
  console.log("");
  figures.push(...KEY_TASKS.flatMap((task) => compare(task, contenders, dataset)));
  report(figures);
  await mkdir(dirname(options.out), { recursive: true });
  const written = { node: process.version, at: new Date().toISOString(), organizations: count, memory, keys, figures };
  await writeFile(options.out, `${JSON.stringify(written, null, 2)}\n`);
  console.log(`\nwritten to ${options.out}`);
}

interface Task {
  readonly name: string;
  readonly size: number;
  /** What is asked for, in an order that no cache of the processor likes. */
  prepare(dataset: Dataset, size: number): readonly string[];
  /** @throws when an answer is wrong: what is measured must have worked. */
  run(contender: Contender, keys: readonly string[], dataset: Dataset): void;
}

const TASKS: readonly Task[] = [
  {
    name: "by slug",
    size: 400_000,
    prepare: ({ slugs }, size) => pick(slugs, size),
    run: (contender, keys) => {
      for (const key of keys) if (contender.bySlug(key) === undefined) throw new Error(`${key} was not found`);
    },
  },
  {
    name: "by id",
    size: 400_000,
    prepare: ({ ids }, size) => pick(ids, size),
    run: (contender, keys) => {
      for (const key of keys) if (contender.byId(key) === undefined) throw new Error(`${key} was not found`);
    },
  },
  {
    name: "by slug, few hot ones",
    size: 400_000,
    prepare: ({ slugs }, size) => pick(slugs.slice(0, 1_000), size),
    run: (contender, keys) => {
      for (const key of keys) if (contender.bySlug(key) === undefined) throw new Error(`${key} was not found`);
    },
  },
  {
    name: "by slug, unknown",
    size: 400_000,
    prepare: ({ slugs }, size) => pick(slugs, size).map((slug) => `${slug}-x`),
    run: (contender, keys) => {
      for (const key of keys) if (contender.bySlug(key) !== undefined) throw new Error(`${key} was found`);
    },
  },
  {
    name: "moves to another cell",
    size: 50_000,
    prepare: ({ ids }, size) => Array.from({ length: size }, (_, index) => String((index * 7_919) % ids.length)),
    run: (contender, keys, { ids, slugs }) => {
      for (const key of keys) {
        const index = Number(key);
        contender.move(ids[index] as string, slugs[index] as string, `us${index % 7}`);
      }
    },
  },
];

/** Measured once aliases and project keys are there. */
const KEY_TASKS: readonly Task[] = [
  {
    name: "by slug alias",
    size: 400_000,
    prepare: ({ aliases }, size) => pick(aliases, size),
    run: (contender, keys) => {
      for (const key of keys) if (contender.bySlug(key) === undefined) throw new Error(`${key} was not found`);
    },
  },
  {
    name: "by project key",
    size: 400_000,
    prepare: ({ projectKeys }, size) => pick(projectKeys, size),
    run: (contender, keys) => {
      for (const key of keys) if (contender.byProjectKey(key) === undefined) throw new Error(`${key} was not found`);
    },
  },
  {
    name: "by project key, few hot ones",
    size: 400_000,
    prepare: ({ projectKeys }, size) => pick(projectKeys.slice(0, 1_000), size),
    run: (contender, keys) => {
      for (const key of keys) if (contender.byProjectKey(key) === undefined) throw new Error(`${key} was not found`);
    },
  },
];

/** Keys in a scattered order, each a text of its own: a request brings no text whose hash is known already. */
function pick(keys: readonly string[], size: number): string[] {
  return Array.from({ length: size }, (_, index) => toOwnText(keys[(index * 7_919_033) % keys.length] as string));
}

function compare(task: Task, contenders: readonly Contender[], dataset: Dataset): Figure[] {
  const samples = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const contender of contenders) {
      const keys = task.prepare(dataset, task.size);
      const startedAt = performance.now();
      task.run(contender, keys, dataset);
      const perSecond = (task.size / (performance.now() - startedAt)) * 1_000;
      // The first round warms up.
      if (round >= 0) samples.get(contender)?.push(perSecond);
    }
  }
  return [...samples].map(([{ name }, taken]) => ({ task: task.name, name, perSecond: median(taken) }));
}

function report(figures: readonly Figure[]): void {
  console.log(`Operations (ratios against: ${BASELINE})`);
  printTable(
    figures.map(({ task, name, perSecond }) => {
      const base = figures.find((other) => other.task === task && other.name === BASELINE)?.perSecond ?? perSecond;
      return {
        task,
        contender: name,
        "million/s": (perSecond / 1e6).toFixed(2),
        "ns each": Math.round(1e9 / perSecond),
        ratio: (perSecond / base).toFixed(2),
      };
    }),
  );
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What something takes of memory, for each of so many, and of time. */
function measureStep<T>(count: number, step: () => T): { result: T; bytes: number; seconds: number } {
  const before = measureBytes();
  const startedAt = performance.now();
  const result = step();
  const seconds = (performance.now() - startedAt) / 1_000;
  return { result, bytes: (measureBytes() - before) / count, seconds };
}

/** What the process holds, after everything that can go has gone. */
function measureBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
