import { percentile } from "../outbox/ledger.js";
import { LoadConnection } from "./load-connection.js";

/** What a window of requests came to. */
export interface LoopSample {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU of the process asked, in microseconds for each request. */
  readonly cpuMicros: number;
}

/**
 * Asks for `windowMs` with `concurrency` connections, each sending its next request when it has the answer.
 *
 * @throws when something else than 200 is answered: what is measured must have worked.
 */
export async function runClosedLoop(options: {
  readonly port: number;
  readonly requests: readonly Buffer[];
  readonly concurrency: number;
  readonly windowMs: number;
  readonly cpuMicros: () => number;
}): Promise<LoopSample> {
  const { port, requests, concurrency, windowMs, cpuMicros } = options;
  const connections = Array.from({ length: concurrency }, () => new LoadConnection(port));
  let next = Math.floor(Math.random() * requests.length);
  const ask = (connection: LoadConnection) =>
    new Promise<void>((resolve, reject) => {
      next = (next + 1) % requests.length;
      connection.send(requests[next] as Buffer, (status) => {
        if (status === 200) resolve();
        else reject(new Error(`A request was answered ${status === 0 ? "not at all" : status}.`));
      });
    });
  // Opens every connection, ours and those behind.
  await Promise.all(
    connections.map(async (connection) => {
      await ask(connection);
      await ask(connection);
    }),
  );
  const latencies: number[] = [];
  const cpuBefore = cpuMicros();
  const startedAt = performance.now();
  const endsAt = startedAt + windowMs;
  const worker = async (connection: LoadConnection) => {
    for (let sentAt = performance.now(); sentAt < endsAt; ) {
      await ask(connection);
      const answeredAt = performance.now();
      latencies.push(answeredAt - sentAt);
      sentAt = answeredAt;
    }
  };
  try {
    await Promise.all(connections.map(worker));
  } finally {
    for (const connection of connections) connection.destroy();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return {
    perSecond: latencies.length / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpuMicros: (cpuMicros() - cpuBefore) / latencies.length,
  };
}
