import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { nowMs, percentile } from "./ledger.js";
import { isSpecial, type Kind, type Load, type ProducerData } from "./load.js";

/** How messages of a load fared, those that are special left out. */
export interface LiveResult {
  readonly writtenPerSecond: number;
  readonly deliveredPerSecond: number;
  /** From the knowledge of the commit to the handler, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** From the sending of the statement to the handler. */
  readonly sentP99: number;
  readonly missing: number;
}

/** A load on its way. */
export interface LiveRun {
  /** A message was handled. */
  handled(place: number): void;
  /** Waits until all is written and, at most `graceMs` later, delivered. */
  finish(graceMs: number): Promise<LiveResult>;
}

/** Starts the thread that writes. */
export async function startLoad(kind: Kind, url: string, load: Load): Promise<LiveRun> {
  const shared = () => new Float64Array(new SharedArrayBuffer(load.total * 8));
  const times = { sentAt: shared(), committedAt: shared() };
  const handledAt = new Float64Array(load.total);
  let left = 0;
  for (let place = 0; place < load.total; place += 1) if (!isSpecial(load, place)) left += 1;
  let allHandled: () => void = () => {};
  const delivered = new Promise<void>((resolve) => {
    allHandled = resolve;
  });
  const data: ProducerData = { kind, url, load, ...times };
  const worker = new Worker(new URL("./producer.js", import.meta.url), { workerData: data });
  await once(worker, "message");
  const written = Promise.race([
    once(worker, "message"),
    once(worker, "error").then(([error]) => Promise.reject(error)),
  ]);
  worker.postMessage("go");
  return {
    handled(place) {
      if (handledAt[place] !== 0 || isSpecial(load, place)) return;
      handledAt[place] = nowMs();
      left -= 1;
      if (left === 0) allHandled();
    },
    async finish(graceMs) {
      await written;
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([delivered, over]);
      clearTimeout(timer);
      await worker.terminate();
      return evaluate(load, { ...times, handledAt });
    },
  };
}

function evaluate(
  load: Load,
  { sentAt, committedAt, handledAt }: Record<"sentAt" | "committedAt" | "handledAt", Float64Array>,
): LiveResult {
  const latencies: number[] = [];
  const fromSent: number[] = [];
  let missing = 0;
  let last = 0;
  for (let place = 0; place < load.total; place += 1) {
    if (isSpecial(load, place)) continue;
    const at = handledAt[place] ?? 0;
    if (at === 0) {
      missing += 1;
      continue;
    }
    last = Math.max(last, at);
    latencies.push(Math.max(0, at - (committedAt[place] ?? 0)));
    fromSent.push(at - (sentAt[place] ?? 0));
  }
  const first = sentAt[0] ?? 0;
  const written = committedAt.reduce((newest, at) => Math.max(newest, at), 0);
  return {
    writtenPerSecond: (load.total / (written - first)) * 1_000,
    deliveredPerSecond: (latencies.length / (last - first)) * 1_000,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    sentP99: percentile(fromSent, 0.99),
    missing,
  };
}
