import { defineRoute, type Gate, type HttpServer, type InternalRoute, type PublicRoute } from "@cellway/http";
import { createCellSilo, currentSiloContext } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { z } from "zod";
import { startSiloHttpServer } from "./http-server.js";
import type { ServiceContext } from "./module.js";
import type { ReadinessReport } from "./readiness.js";

const lines: string[] = [];
let report: ReadinessReport = { ready: true, database: "ok", migrations_pending: [], peers: {} };
let server: HttpServer;

/** For silos that know nobody. */
const NOBODY: Gate = {
  authenticate: async () => undefined,
  authenticateSession: async () => undefined,
  findOrganization: async () => undefined,
  noteUse: () => undefined,
};

function createRoute(path: string, localMode: "CONTROL" | "CELL", answer: () => string): PublicRoute<ServiceContext> {
  return defineRoute({
    name: path.slice(1),
    summary: "A route of the test.",
    method: "GET",
    path,
    localMode,
    access: { kind: "anyone" },
    params: z.strictObject({}),
    response: z.object({ text: z.string() }),
    handle: async () => ({ body: { text: answer() } }),
  });
}

function createInternal(
  path: string,
  localMode: "CONTROL" | "CELL",
  answer: () => string,
): InternalRoute<ServiceContext> {
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
  server = await startSiloHttpServer({
    address: "http://127.0.0.1:0",
    silo: createCellSilo("us1"),
    readiness: { check: async () => report, stop: () => undefined },
    build: { version: "0.2.0", contract: "0123456789abcdef" },
    routes: [
      { route: createRoute("/mine", "CELL", () => currentSiloContext()?.localMode ?? "none"), context },
      { route: createRoute("/theirs", "CONTROL", () => "never"), context: undefined },
      { route: broken, context },
    ],
    internalRoutes: [
      { route: createInternal("/internal/", "CELL", () => currentSiloContext()?.localMode ?? "none"), context },
      { route: createInternal("/internal/theirs/", "CONTROL", () => "never"), context: undefined },
      {
        route: createInternal("/internal/broken/", "CELL", () => {
          throw new Error("secret of the cellar");
        }),
        context,
      },
    ],
    gate: NOBODY,
    memory: { begin: async () => ({ state: "full" }) },
    logger: createLogger({ silo: "us1", stream: { write: (line) => void lines.push(line) } }),
    metrics: createMetrics({ silo: "us1" }),
  });
});
afterAll(() => server.close());

test("a route of this side runs as code of this side", async () => {
  expect(await (await fetch(`${server.address}/mine?x=1`)).json()).toEqual({ text: "CELL" });
});

test("a route of the other side is 404 and logged, as one that exists nowhere is 404 and not", async () => {
  expect((await fetch(`${server.address}/theirs`)).status).toBe(404);
  expect(lines.filter((line) => line.includes("/theirs"))).toHaveLength(1);
  expect((await fetch(`${server.address}/nowhere`)).status).toBe(404);
  expect(lines.filter((line) => line.includes("/nowhere"))).toHaveLength(0);
});

test("a route that throws is 500, says nothing to the caller and everything to the log", async () => {
  const res = await fetch(`${server.address}/broken`);
  const text = await res.text();
  expect([res.status, JSON.parse(text)]).toMatchObject([500, { code: "INTERNAL", request_id: expect.any(String) }]);
  expect(text).not.toContain("secret of the house");
  expect(lines.join("")).toContain("secret of the house");
});

test("an internal route writes its own answer, as code of this side; one of the other side is 404 and logged", async () => {
  expect(await (await fetch(`${server.address}/internal/?x=1`)).text()).toBe("CELL");
  expect((await fetch(`${server.address}/internal/theirs/`)).status).toBe(404);
  expect(lines.filter((line) => line.includes("/internal/theirs/"))).toHaveLength(1);
});

test("an internal route that throws is 500, says nothing to the caller and everything to the log", async () => {
  const res = await fetch(`${server.address}/internal/broken/`);
  expect([res.status, await res.text()]).toEqual([500, ""]);
  expect(lines.join("")).toContain("secret of the cellar");
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
  const again = startSiloHttpServer({
    address: server.address,
    silo: createCellSilo("us1"),
    readiness: { check: async () => report, stop: () => undefined },
    build: { version: "0.2.0", contract: "0123456789abcdef" },
    routes: [],
    gate: NOBODY,
    memory: { begin: async () => ({ state: "full" }) },
    logger: createLogger({ silo: "us1", level: "silent" }),
    metrics: createMetrics({ silo: "us1" }),
  });
  await expect(again).rejects.toThrow("EADDRINUSE");
});
