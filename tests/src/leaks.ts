import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Requests of a run that looks for leaks. The whole run: CELLWAY_LEAK_REQUESTS=100000 npm test -- edge-leaks */
export const REQUESTS = Number(process.env["CELLWAY_LEAK_REQUESTS"] ?? 1_200);
/** What a heap may differ by for other reasons than requests. One kept object a request would be more in the whole run. */
export const HEAP_SLACK_BYTES = 4_000_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Sockets and timers that the process has open. */
export function countOpen(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap" || name === "Timeout").length;
}

/** What is open once idle connections have gone, or after 20 s. */
export async function settle(atMost: number): Promise<number> {
  const giveUpAt = performance.now() + 20_000;
  for (;;) {
    const open = countOpen();
    if (open <= atMost || performance.now() > giveUpAt) return open;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Bytes of the heap that are in use. */
export function measureHeap(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** What there was before many requests, and after them. */
export interface LeakReport {
  /** How often the requests ended how. */
  readonly ends: ReadonlyMap<string, number>;
  readonly openBefore: number;
  readonly openAfter: number;
  readonly heapBefore: number;
  readonly heapAfter: number;
  /** What node warned of meanwhile. */
  readonly warnings: readonly string[];
}

/** Asks {@link REQUESTS} times, after a quarter as many: what compiles and what is remembered once is there then. */
export async function lookForLeaks(ask: (count: number) => Promise<Map<string, number>>): Promise<LeakReport> {
  const warnings: string[] = [];
  const onWarning = ({ name, message }: Error) => warnings.push(`${name}: ${message}`);
  process.on("warning", onWarning);
  const openBefore = countOpen();
  await ask(REQUESTS / 4);
  await settle(openBefore);
  const heapBefore = measureHeap();
  const ends = await ask(REQUESTS);
  const openAfter = await settle(openBefore);
  const heapAfter = measureHeap();
  process.off("warning", onWarning);
  return { ends, openBefore, openAfter, heapBefore, heapAfter, warnings };
}
