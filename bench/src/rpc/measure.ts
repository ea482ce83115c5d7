import { assertAnswer, type Contender } from "./contenders.js";

/** What one window of calls cost. */
export interface Sample {
  readonly callsPerSecond: number;
  /** CPU of the process, caller and server together, in microseconds per call. */
  readonly cpuMicrosPerCall: number;
}

/** Makes `calls` calls with `concurrency` of them in flight. */
export async function measure(contender: Contender, concurrency: number, calls: number): Promise<Sample> {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  let begun = 0;
  const worker = async () => {
    while (begun < calls) {
      begun += 1;
      assertAnswer(await contender.call());
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return { callsPerSecond: calls / seconds, cpuMicrosPerCall: (cpu.user + cpu.system) / calls };
}

/** The middle of a list of numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
