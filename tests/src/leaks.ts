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
