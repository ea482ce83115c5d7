import { median } from "../rpc/measure.js";
import { type LoopSample, runClosedLoop } from "./closed-loop.js";
import { CELLWAY, HAPROXY, HTTP_PROXY_3, type RunningContender } from "./contenders.js";
import { createDataset } from "./dataset.js";
import { createRequests, type Kind } from "./requests.js";
import type { Finding, Scenario, ScenarioContext } from "./scenario.js";
import { withContenders } from "./scenario.js";

const ORGANIZATIONS = 100_000;
/** Windows for each contender. They take turns, so that a noisy minute hits all of them; the first one warms up. */
const ROUNDS = 5;
const WINDOW_MS = 1_000;
/** What compiles as it runs needs some thousands of requests before it runs as it will: not shortened by the scale. */
const WARM_UP_MS = 4_000;
const DIRECT = "no proxy";

interface Task {
  readonly kind: Kind;
  readonly concurrency: number;
}

const TASKS: readonly Task[] = [
  ...[1, 32, 256].map((concurrency): Task => ({ kind: "1 KiB", concurrency })),
  ...[1, 32, 256].map((concurrency): Task => ({ kind: "1 MiB", concurrency })),
  { kind: "1 MiB sent", concurrency: 32 },
];

interface Figure extends LoopSample {
  readonly name: string;
}

/** Requests a second, CPU for each, and what a proxy adds to the time that they take. */
export const measureThroughput: Scenario = async (context) => {
  const dataset = createDataset(ORGANIZATIONS, context.cells.all);
  return withContenders(context, dataset, async (running) => {
    const findings: Finding[] = [];
    await warmUp(running, createRequests(dataset, "1 KiB"));
    for (const task of TASKS) {
      const requests = createRequests(dataset, task.kind);
      // Without a proxy there is one cell only to ask: they are all served by one process.
      const direct = { name: DIRECT, port: context.cells.all[0]?.port ?? 0, cpuMicros: () => 0 };
      findings.push(describe(task, await compare([direct, ...running], { task, requests, scale: context.scale })));
    }
    return findings;
  });
};

async function warmUp(running: readonly RunningContender[], requests: readonly Buffer[]): Promise<void> {
  for (const { port, cpuMicros } of running)
    await runClosedLoop({ port, requests, concurrency: 32, windowMs: WARM_UP_MS, cpuMicros });
}

type Asked = Pick<RunningContender, "name" | "port" | "cpuMicros">;

async function compare(
  asked: readonly Asked[],
  { task, requests, scale }: { task: Task; requests: readonly Buffer[] } & Pick<ScenarioContext, "scale">,
): Promise<Figure[]> {
  const samples = new Map<Asked, LoopSample[]>(asked.map((one) => [one, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const one of asked) {
      const { port, cpuMicros } = one;
      const { concurrency } = task;
      const sample = await runClosedLoop({ port, requests, concurrency, windowMs: WINDOW_MS * scale, cpuMicros });
      if (round >= 0) samples.get(one)?.push(sample);
    }
  }
  return [...samples].map(([{ name }, taken]) => ({
    name,
    perSecond: median(taken.map(({ perSecond }) => perSecond)),
    p50: median(taken.map(({ p50 }) => p50)),
    p99: median(taken.map(({ p99 }) => p99)),
    cpuMicros: median(taken.map(({ cpuMicros }) => cpuMicros)),
  }));
}

function describe({ kind, concurrency }: Task, figures: readonly Figure[]): Finding {
  const direct = figures.find(({ name }) => name === DIRECT);
  const ours = figures.find(({ name }) => name === CELLWAY)?.cpuMicros ?? Number.NaN;
  const rows = figures.map(({ name, perSecond, p50, p99, cpuMicros }) => ({
    contender: name,
    "requests/s": Math.round(perSecond),
    "CPU us/request": name === DIRECT ? "" : cpuMicros.toFixed(1),
    "ours/theirs": name === HTTP_PROXY_3 || name === HAPROXY ? (ours / cpuMicros).toFixed(2) : "",
    "p50 ms": p50.toFixed(3),
    "p99 ms": p99.toFixed(3),
    "added p50": name === DIRECT ? "" : (p50 - (direct?.p50 ?? 0)).toFixed(3),
    "added p99": name === DIRECT ? "" : (p99 - (direct?.p99 ?? 0)).toFixed(3),
  }));
  return { title: `Bodies of ${kind}, ${concurrency} connections, ${ORGANIZATIONS} organizations`, rows, figures };
}
