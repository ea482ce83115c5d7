import { createCellSilo, currentSiloContext } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type HttpServer, startHttpServer } from "./http-server.js";
import type { RouteDefinition, ServiceContext } from "./module.js";
import type { ReadinessReport } from "./readiness.js";

const lines: string[] = [];
let report: ReadinessReport = { ready: true, database: "ok", migrations_pending: [], peers: {} };
let server: HttpServer;

function createRoute(path: string, localMode: "CONTROL" | "CELL", answer: () => string): RouteDefinition {
  return {
    method: "GET",
    path,
    localMode,
    async handle(_context, _req, res) {
      res.end(answer());
    },
  };
}

beforeAll(async () => {
  const context = {} as ServiceContext;
  const broken = createRoute("/broken", "CELL", () => {
    throw new Error("secret of the house");
  });
  server = await startHttpServer({
    address: "http://127.0.0.1:0",
    silo: createCellSilo("us1"),
    readiness: { check: async () => report, stop: () => undefined },
    build: { version: "0.2.0", contract: "0123456789abcdef" },
    routes: [
      { route: createRoute("/mine", "CELL", () => currentSiloContext()?.localMode ?? "none"), context },
      { route: createRoute("/theirs", "CONTROL", () => "never"), context: undefined },
      { route: broken, context },
    ],
    logger: createLogger({ silo: "us1", stream: { write: (line) => void lines.push(line) } }),
    metrics: createMetrics({ silo: "us1" }),
  });
});
afterAll(() => server.close());

test("a route of this side runs as code of this side", async () => {
  expect(await (await fetch(`${server.address}/mine?x=1`)).text()).toBe("CELL");
});

test("a route of the other side is 404 and logged, as one that exists nowhere is 404 and not", async () => {
  expect((await fetch(`${server.address}/theirs`)).status).toBe(404);
  expect(lines.filter((line) => line.includes("/theirs"))).toHaveLength(1);
  expect((await fetch(`${server.address}/nowhere`)).status).toBe(404);
  expect(lines.filter((line) => line.includes("/nowhere"))).toHaveLength(0);
});

test("a route that throws is 500, says nothing to the caller and everything to the log", async () => {
  const res = await fetch(`${server.address}/broken`);
  expect([res.status, await res.text()]).toEqual([500, '{"error":"internal error"}\n']);
  expect(lines.join("")).toContain("secret of the house");
});

test("a silo is alive while it is not ready, and says what is missing", async () => {
  report = { ready: false, database: "ok", migrations_pending: ["user/0002.expand.more"], peers: { control: "ok" } };
  const alive = await fetch(`${server.address}/healthz`);
  expect(alive.status).toBe(200);
  expect(await alive.json()).toMatchObject({ status: "alive", version: "0.2.0", contract: "0123456789abcdef" });
  const ready = await fetch(`${server.address}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ silo: "us1", migrations_pending: ["user/0002.expand.more"] });
});

test("a port that is taken fails the start", async () => {
  const again = startHttpServer({
    address: server.address,
    silo: createCellSilo("us1"),
    readiness: { check: async () => report, stop: () => undefined },
    build: { version: "0.2.0", contract: "0123456789abcdef" },
    routes: [],
    logger: createLogger({ silo: "us1", level: "silent" }),
    metrics: createMetrics({ silo: "us1" }),
  });
  await expect(again).rejects.toThrow("EADDRINUSE");
});
