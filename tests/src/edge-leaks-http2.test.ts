import { createServer as createHttp1Server } from "node:http";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2Server,
  type OutgoingHttpHeaders,
} from "node:http2";
import { createEdgeHandlers, DEFAULT_PROXY_LIMITS, type EdgeServer, startEdgeServer, Upstreams } from "@cellway/http";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import { afterEach, expect, it } from "@jest/globals";
import { FAULTS, type FaultProxy, startFaultProxy } from "./fault-turns.js";
import { HEAP_SLACK_BYTES, lookForLeaks, REQUESTS } from "./leaks.js";
import { startTwoVersionServer } from "./two-version-server.js";

const CONCURRENCY = 32;
const SESSIONS = 4;
const LARGE_BODY = Buffer.alloc(100_000, "x");
const CANCEL = 8;
/** A stream is given up after. */
const STREAM_MAX_MS = 10_000;

let stop: (() => Promise<void>) | undefined;
afterEach(async () => stop?.());

interface Run {
  readonly edge: EdgeServer;
  readonly faults: FaultProxy;
  readonly metrics: Metrics;
}

/** A cell that says what it is told, over both versions of HTTP. */
function startCell(): ReturnType<typeof startTwoVersionServer> {
  const http1 = createHttp1Server((req, res) => void req.pipe(res));
  const http2 = createHttp2Server();
  http2.on("session", (session) => session.on("error", () => session.destroy()));
  http2.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.pipe(stream);
  });
  return startTwoVersionServer(http1, http2);
}

async function start(): Promise<Run> {
  const cell = await startCell();
  const faults = await startFaultProxy(cell.address);
  const metrics = createMetrics({ silo: "edge:us-router" });
  const limits = {
    firstByteTimeoutMs: 200,
    idleTimeoutMs: 300,
    // Never open: every request is to meet a fault.
    circuitMinCallsPerSecond: 1_000_000,
    http2PingIntervalMs: 100,
    http2PingTimeoutMs: 200,
    http2IdleMs: 1_000,
  };
  const logger = createLogger({ silo: "edge:us-router", level: "silent" });
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...limits }, metrics, logger);
  const route = async () => ({
    name: "us-router",
    target: { upstream: upstreams.of("us1", faults.origin), headers: [] },
  });
  const edge = await startEdgeServer("http://127.0.0.1:0", createEdgeHandlers(route, { metrics, logger }));
  stop = async () => {
    await edge.close({ graceMs: 100 });
    upstreams.close();
    await faults.stop();
    await cell.stop();
  };
  return { edge, faults, metrics };
}

/** Connections that are opened anew when they have gone. */
class Sessions {
  private readonly open: (ClientHttp2Session | undefined)[] = [];

  constructor(private readonly address: string) {}

  of(index: number): ClientHttp2Session {
    const place = index % SESSIONS;
    const known = this.open[place];
    if (known?.closed === false && !known.destroyed) return known;
    const session = connect(this.address);
    session.on("error", () => {});
    this.open[place] = session;
    return session;
  }

  close(): void {
    for (const session of this.open) session?.destroy();
  }
}

const KINDS: readonly { readonly headers: OutgoingHttpHeaders; readonly body?: string | Buffer }[] = [
  { headers: {} },
  { headers: { ":method": "POST", "content-length": 5 }, body: "small" },
  { headers: { ":method": "POST" }, body: LARGE_BODY },
  { headers: { ":method": "POST", "content-type": "application/grpc" }, body: "small" },
  { headers: { ":method": "POST", "content-type": "application/grpc" }, body: LARGE_BODY },
];

/** Asks in one of several ways, and gives what came of it: a status, of HTTP or gRPC, `broken`, or `left`. */
function askSomehow(sessions: Sessions, index: number): Promise<string> {
  const { headers, body } = KINDS[index % KINDS.length] ?? { headers: {} };
  // Of every 16 one goes away before the answer, and one in the middle of it.
  const isLeaving = index % 16 === 7;
  const isLeavingLater = index % 16 === 8;
  return new Promise((resolve) => {
    const stream = sessions.of(index).request({ ":path": "/a", ":authority": "a", ...headers });
    const outcome = watch(stream);
    stream.setTimeout(STREAM_MAX_MS, () => stream.close(CANCEL));
    stream.on("response", () => {
      if (isLeavingLater) stream.close(CANCEL);
    });
    stream.on("close", () => resolve(isLeaving || isLeavingLater ? "left" : outcome()));
    stream.end(body);
    if (isLeaving) setImmediate(() => stream.close(CANCEL));
  });
}

/** Reads an answer and drops it. @returns what says how it ended. */
function watch(stream: ClientHttp2Stream): () => string {
  let status: unknown = "none";
  let isWhole = false;
  stream.on("response", (said) => {
    status = said["grpc-status"] === undefined ? said[":status"] : `grpc ${String(said["grpc-status"])}`;
  });
  stream.on("error", () => {});
  stream.on("end", () => {
    isWhole = !stream.aborted;
  });
  stream.resume();
  return () => (isWhole && stream.rstCode === 0 ? String(status) : "broken");
}

async function askMany({ edge }: Run, count: number): Promise<Map<string, number>> {
  const sessions = new Sessions(edge.address);
  const ends = new Map<string, number>();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      const end = await askSomehow(sessions, next);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  sessions.close();
  return ends;
}

it("over HTTP/2, and calls of gRPC, requests that meet every fault leave nothing behind: no socket, timer, place or memory", async () => {
  const run = await start();
  const { ends, warnings, openBefore, openAfter, heapBefore, heapAfter } = await lookForLeaks((count) =>
    askMany(run, count),
  );
  for (const fault of FAULTS) expect([fault, run.faults.done[fault] > REQUESTS / 50]).toEqual([fault, true]);
  for (const end of ["200", "502", "504", "broken", "left", "grpc 14"])
    expect([end, (ends.get(end) ?? 0) > 0]).toEqual([end, true]);
  expect(openAfter).toBeLessThanOrEqual(openBefore);
  expect(await run.metrics.value("cellway_edge_in_flight", { cell: "us1" })).toBe(0);
  expect(heapAfter - heapBefore).toBeLessThan(HEAP_SLACK_BYTES);
  expect(warnings.filter((text) => text.includes("MaxListeners"))).toEqual([]);
  run.faults.heal();
  const sessions = new Sessions(run.edge.address);
  for (let index = 0; index < KINDS.length; index += 1)
    for (let again = 0; (await askSomehow(sessions, index)) !== "200" && again < 10; again += 1);
  for (let index = 0; index < KINDS.length; index += 1) expect(await askSomehow(sessions, index)).toBe("200");
  sessions.close();
  // oxlint-disable-next-line eslint/no-console
  if (REQUESTS >= 100_000) console.log({ ends, openBefore, openAfter, heapBefore, heapAfter, faults: run.faults.done });
}, 1_200_000);
