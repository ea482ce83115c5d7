import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type EdgeServer, startEdgeServer } from "../proxy/edge-server.js";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "../proxy/limits.js";
import { ask, problemIn } from "../proxy/test-support.js";
import { createEdgeHandlers } from "./handlers.js";
import { Upstreams } from "./upstreams.js";

const UNTIL_MAX_MS = 10_000;
const QUICK = { healthCheckMs: 5, healthTimeoutMs: 2_000 };
/** Failed checks that would have opened a circuit several times. */
const MANY_CHECKS = 4 * DEFAULT_PROXY_LIMITS.healthFailures;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A cell whose health and whose other answers are set apart. */
class Cell {
  /** `down`: ends every connection. */
  health: "well" | "down" | "hangs" | "500" | "404" = "well";
  requests: "well" | "down" | "hangs" = "well";
  checks = 0;
  asked = 0;
  private readonly hanging: ServerResponse[] = [];
  private readonly server: Server;

  private constructor() {
    this.server = createServer((req, res) =>
      req.url === "/healthz" ? this.answerCheck(req, res) : this.answer(req, res),
    );
  }

  static async start(): Promise<Cell> {
    const cell = new Cell();
    cell.server.listen(0, "127.0.0.1");
    await once(cell.server, "listening");
    cleanups.push(() => {
      cell.server.closeAllConnections();
      cell.server.close();
    });
    return cell;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }

  set(state: "well" | "down"): void {
    this.health = state;
    this.requests = state;
  }

  /** Answers the checks that hang, and those to come. */
  recover(): void {
    this.health = "well";
    for (const res of this.hanging.splice(0)) res.end();
  }

  private answerCheck(req: IncomingMessage, res: ServerResponse): void {
    this.checks += 1;
    if (this.health === "down") req.socket.destroy();
    else if (this.health === "hangs") this.hanging.push(res);
    else res.writeHead(this.health === "well" ? 200 : Number(this.health)).end();
  }

  private answer(req: IncomingMessage, res: ServerResponse): void {
    this.asked += 1;
    if (this.requests === "down") req.socket.destroy();
    else if (this.requests === "well") res.end("ok");
  }
}

interface Stage {
  readonly upstreams: Upstreams;
  readonly edge: EdgeServer;
  readonly metrics: Metrics;
  readonly log: string[];
  get(cell: string): Promise<{ status: number; code?: string }>;
  stateOf(cell: string): string;
}

/** An edge whose requests for `/NAME` go to the cell of that name. */
async function startStage(cells: Readonly<Record<string, Cell>>, limits: Partial<ProxyLimits> = {}): Promise<Stage> {
  const metrics = createMetrics({ silo: "edge:us-router" });
  const log: string[] = [];
  const stream = { write: (line: string) => void log.push(line) };
  const logger = createLogger({ silo: "edge:us-router", level: "warn", stream });
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...QUICK, ...limits }, metrics, logger);
  const upstreamOf = (name: string) => upstreams.of(name, (cells[name] as Cell).origin);
  const route = async ({ url = "" }: Pick<IncomingMessage, "url">) => ({
    name: "us-router",
    target: { upstream: upstreamOf(url.slice(1)), headers: [] },
  });
  const edge = await startEdgeServer("http://127.0.0.1:0", createEdgeHandlers(route, { metrics, logger }));
  cleanups.push(async () => {
    await edge.close({ graceMs: 100 });
    upstreams.close();
  });
  return {
    upstreams,
    edge,
    metrics,
    log,
    async get(cell) {
      const answer = await ask(`${edge.address}/${cell}`, { method: "POST", body: "x" });
      return answer.status === 200 ? { status: 200 } : { status: answer.status, code: problemIn(answer).code };
    },
    stateOf: (cell) => upstreamOf(cell).circuit.state,
  };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + UNTIL_MAX_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`Not within ${UNTIL_MAX_MS} ms: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const checkedOften = (cell: Cell) => {
  const before = cell.checks;
  return until("it is checked often", () => cell.checks > before + MANY_CHECKS);
};
const OPEN = { status: 503, code: "UPSTREAM_CIRCUIT_OPEN" };
const health = ({ metrics }: Stage, cell: string) => metrics.value("cellway_edge_health", { cell });

describe("a cell that is dead", () => {
  it("is found without a client's request, and used again, without one that pays, as soon as it answers", async () => {
    const cells = { us1: await Cell.start(), us2: await Cell.start() };
    const stage = await startStage(cells);
    expect([await stage.get("us1"), await stage.get("us2")]).toEqual([{ status: 200 }, { status: 200 }]);
    cells.us1.set("down");
    await until("the circuit is open", () => stage.stateOf("us1") === "open");
    expect([await health(stage, "us1"), await health(stage, "us2"), cells.us1.asked]).toEqual([0, 1, 1]);
    expect([await stage.get("us1"), await stage.get("us2"), cells.us1.asked]).toEqual([OPEN, { status: 200 }, 1]);
    await checkedOften(cells.us1);
    expect([await stage.get("us1"), cells.us1.asked]).toEqual([OPEN, 1]);
    cells.us1.set("well");
    await until("the circuit is closed", () => stage.stateOf("us1") === "closed");
    expect([await stage.get("us1"), await health(stage, "us1")]).toEqual([{ status: 200 }, 1]);
    expect(stage.log.filter((line) => line.includes("does not answer its health checks"))).toHaveLength(1);
  });

  it("whose circuit requests opened is tried by checks too, and one cell alone is found as well", async () => {
    const us1 = await Cell.start();
    const stage = await startStage({ us1 }, { circuitWindowMs: 3_000, circuitProbeMs: 1, healthFailures: 1_000_000 });
    us1.set("down");
    while ((await stage.get("us1")).status !== 503);
    const { asked } = us1;
    await checkedOften(us1);
    expect([await stage.get("us1"), us1.asked]).toEqual([OPEN, asked]);
    us1.set("well");
    await until("the circuit is closed", () => stage.stateOf("us1") === "closed");
    expect([await stage.get("us1"), us1.asked]).toEqual([{ status: 200 }, asked + 1]);

    const alone = await startStage({ us1 });
    expect(await alone.get("us1")).toEqual({ status: 200 });
    us1.health = "500";
    await until("the circuit is open", () => alone.stateOf("us1") === "open");
  });

  it("to requests alone, while it answers checks, is closed by a check once, and then only by a request", async () => {
    const us1 = await Cell.start();
    const stage = await startStage({ us1 }, { circuitWindowMs: 3_000 });
    us1.requests = "down";
    const statuses = new Set<number>();
    // Three failures open it, a check closes it, three more open it; from then on each check lets one request through.
    while (us1.asked < 6) statuses.add((await stage.get("us1")).status);
    expect([...statuses]).toEqual(expect.arrayContaining([502]));
    expect(stage.stateOf("us1")).toBe("open");
    await checkedOften(us1);
    expect([stage.stateOf("us1"), us1.asked]).toEqual(["open", 6]);
    expect([(await stage.get("us1")).status, stage.stateOf("us1"), us1.asked]).toEqual([502, "open", 7]);
    us1.requests = "well";
    await checkedOften(us1);
    expect([await stage.get("us1"), stage.stateOf("us1")]).toEqual([{ status: 200 }, "closed"]);
  });
});

describe("checks do no harm", () => {
  it("when all cells fail at once none is left alone, and the log says so once", async () => {
    const cells = { us1: await Cell.start(), us2: await Cell.start() };
    const stage = await startStage(cells);
    await Promise.all([stage.get("us1"), stage.get("us2")]);
    for (const cell of Object.values(cells)) cell.health = "down";
    await Promise.all([checkedOften(cells.us1), checkedOften(cells.us2)]);
    await until("both are seen", async () => (await health(stage, "us1")) + (await health(stage, "us2")) === 0);
    expect([stage.stateOf("us1"), stage.stateOf("us2")]).toEqual(["closed", "closed"]);
    expect([await stage.get("us1"), await stage.get("us2")]).toEqual([{ status: 200 }, { status: 200 }]);
    expect(stage.log.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      expect.stringMatching(/^no cell answers its health checks/),
    ]);
  });

  it("a check takes none of the places for requests, and none is kept from it", async () => {
    const us1 = await Cell.start();
    us1.health = "hangs";
    const stage = await startStage({ us1 }, { inFlightMax: 1, healthTimeoutMs: UNTIL_MAX_MS });
    const upstream = stage.upstreams.of("us1", us1.origin);
    await until("a check hangs", () => us1.checks === 1);
    expect(await stage.get("us1")).toEqual({ status: 200 });
    const other = await startStage({ us1 }, { inFlightMax: 1 });
    const giveBack = other.upstreams.of("us1", us1.origin).take();
    await until("it is checked while all places are taken", () => us1.checks > 1);
    giveBack?.();
    expect(upstream.circuit.state).toBe("closed");
  });

  it("no more are under way at a time than the limit, of all cells; who finds no place is checked once there is one", async () => {
    const cells = { us1: await Cell.start(), us2: await Cell.start(), us3: await Cell.start() };
    const clock = await Cell.start();
    const all = Object.values(cells);
    for (const cell of all) cell.health = "hangs";
    const stage = await startStage(cells, { healthChecksMax: 2, healthTimeoutMs: UNTIL_MAX_MS });
    await (await startStage({ clock })).get("clock");
    const useAll = () => Promise.all(Object.keys(cells).map((name) => stage.get(name)));
    await useAll();
    const checked = () => all.filter(({ checks }) => checks > 0);
    await until("two checks hang", () => checked().length === 2);
    await checkedOften(clock);
    expect(checked().map(({ checks }) => checks)).toEqual([1, 1]);
    // To have found no place says nothing of a cell.
    expect(await useAll()).toEqual([{ status: 200 }, { status: 200 }, { status: 200 }]);
    checked()[0]?.recover();
    await until("the third has a place", () => checked().length === 3);
  });

  it("a cell that hangs at /healthz is used while it answers requests; without them it is tried by one after a while", async () => {
    const us1 = await Cell.start();
    us1.health = "hangs";
    const stage = await startStage({ us1 }, { healthProbeMs: 300, healthTimeoutMs: 30 });
    const before = us1.checks;
    while (us1.checks < before + MANY_CHECKS) expect(await stage.get("us1")).toEqual({ status: 200 });
    await until("the circuit is open", () => stage.stateOf("us1") === "open");
    expect(await stage.get("us1")).toEqual(OPEN);
    await until("a request is let through", async () => (await stage.get("us1")).status === 200);
    expect(stage.stateOf("us1")).toBe("closed");
  });

  it("a cell that does not know /healthz is well: it answers", async () => {
    const us1 = await Cell.start();
    us1.health = "404";
    const stage = await startStage({ us1 });
    await stage.get("us1");
    await checkedOften(us1);
    expect([stage.stateOf("us1"), await health(stage, "us1")]).toEqual(["closed", 1]);
  });

  it("a cell is not asked before it is used, nor when it was not used for long, nor after a stop, nor where checks are off", async () => {
    const [running, idle, stopped, off] = await Promise.all([Cell.start(), Cell.start(), Cell.start(), Cell.start()]);
    const clock = await startStage({ running });
    clock.stateOf("running");
    const idling = await startStage({ idle }, { healthIdleMs: 0 });
    await idling.get("idle");
    const none = await startStage({ off }, { healthCheckMs: 0 });
    await none.get("off");
    const stopping = await startStage({ stopped });
    await stopping.get("stopped");
    stopped.health = "hangs";
    const { checks } = stopped;
    await until("a check is under way", () => stopped.checks > checks);
    await stopping.edge.close({ graceMs: 100 });
    stopping.upstreams.close();
    await until("no connection is left", async () => (await stopped.connections()) === 0);
    const seen = [stopped.checks, idle.checks];
    await checkedOften(running);
    expect([stopped.checks, idle.checks, off.checks]).toEqual([...seen, 0]);
    expect(idle.checks).toBeLessThanOrEqual(1);
    expect(await stopped.connections()).toBe(0);
  });
});
