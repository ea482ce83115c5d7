import { percentile } from "../outbox/ledger.js";
import { CELL_COUNT, type Fault } from "./cells.js";
import type { RunningContender } from "./contenders.js";
import { createDataset } from "./dataset.js";
import { type OpenLoopSample, runOpenLoop } from "./open-loop.js";
import { createRequests } from "./requests.js";
import { type Finding, type Scenario, withContenders } from "./scenario.js";

const ORGANIZATIONS = 100_000;
const ROUNDS = 5;
const WINDOW_MS = 3_000;
/** To each cell, whether it answers or not. */
const PER_SECOND = 125;
const FAULTS: readonly Fault[] = ["none", "hang", "crawl", "reset"];

interface Sample {
  /** Of the requests to healthy cells. */
  readonly latencies: readonly number[];
  /** What became of the requests to the cell that fails: `502: 12, none: 300`. */
  readonly failing: string;
}

/** How long requests to healthy cells take while one cell does wrong, all cells being asked at a steady rate. */
export const measureFaults: Scenario = async (context) => {
  const { cells, scale } = context;
  const dataset = createDataset(ORGANIZATIONS, cells.all);
  const failing = cells.all.at(-1);
  if (failing === undefined) throw new Error("There are no cells.");
  const streams = [
    {
      requests: createRequests(dataset, "1 KiB", (name) => name !== failing.name),
      perSecond: PER_SECOND * (CELL_COUNT - 1),
    },
    { requests: createRequests(dataset, "1 KiB", (name) => name === failing.name), perSecond: PER_SECOND },
  ];
  const measure = async (port: number, fault: Fault): Promise<Sample> => {
    cells.spoil(failing, fault);
    const [healthy, broken] = await runOpenLoop(port, streams, WINDOW_MS * scale);
    cells.spoil(failing, "none");
    await recover(port, streams[1]?.requests[0] as Buffer);
    return { latencies: healthy?.latencies ?? [], failing: formatStatuses(broken) };
  };
  return withContenders(context, dataset, async (running) => {
    const samples = new Map<RunningContender, Map<Fault, Sample[]>>();
    for (const one of running) samples.set(one, new Map(FAULTS.map((fault) => [fault, []])));
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const fault of FAULTS) {
        for (const one of running) {
          const sample = await measure(one.port, fault);
          if (round >= 0) samples.get(one)?.get(fault)?.push(sample);
        }
      }
    }
    return [describe(samples)];
  });
};

/** Waits until the cell is used again: what one window did must not be seen in the next. */
async function recover(port: number, request: Buffer): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  const once = [{ requests: [request], perSecond: 20 }];
  for (;;) {
    const [sample] = await runOpenLoop(port, once, 500);
    if (sample?.statuses.size === 1 && (sample.statuses.get(200) ?? 0) > 0) return;
    if (performance.now() > giveUpAt) throw new Error("A cell that is well again is not used again.");
  }
}

function formatStatuses(sample: OpenLoopSample | undefined): string {
  const names: Readonly<Record<number, string>> = { 0: "broken", [-1]: "waiting" };
  const counts = [...(sample?.statuses ?? [])].toSorted(([, one], [, other]) => other - one);
  return counts.map(([status, count]) => `${names[status] ?? status}: ${count}`).join(", ");
}

function describe(samples: ReadonlyMap<RunningContender, ReadonlyMap<Fault, readonly Sample[]>>): Finding {
  const figures = [...samples].flatMap(([{ name }, byFault]) => {
    const pool = (taken: readonly Sample[] = []) => taken.flatMap(({ latencies }) => latencies);
    const base = percentile(pool(byFault.get("none")), 0.99);
    return [...byFault].map(([fault, taken]) => {
      const all = pool(taken);
      const p99 = percentile(all, 0.99);
      return { name, fault, p50: percentile(all, 0.5), p99, ratio: p99 / base, failing: taken.at(-1)?.failing ?? "" };
    });
  });
  const rows = figures.map(({ name, fault, p50, p99, ratio, failing }) => ({
    contender: name,
    "one cell": fault === "none" ? "is well" : `${fault}s`,
    "others p50 ms": p50.toFixed(2),
    "others p99 ms": p99.toFixed(2),
    ratio: ratio.toFixed(2),
    "answers of that cell": failing,
  }));
  const title = `Healthy cells while one fails: ${PER_SECOND} requests/s to each of ${CELL_COUNT} cells`;
  return { title, rows, figures };
}
