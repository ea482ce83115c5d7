import { Health, HealthCheckResponse_ServingStatus } from "@cellway/gen/grpc/health/v1/health";
import { ServerReflection } from "@cellway/gen/grpc/reflection/v1/reflection";
import type { RunningRouter } from "@cellway/http";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { buf } from "./command-line.js";
import { type ProcedureCell, startProcedureCell } from "./grpc-stage.js";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask, startCellListener, startRouter } from "./router-stage.js";

const ACME = { headers: { "cellway-organization": "acme" } };
const TEST_MAX_MS = 100_000;
const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;

let fleet: Fleet;
let writer: RouteWriter;
let router: RunningRouter;
let acmeId: string;
const cells = new Map<string, ProcedureCell>();
const cell = (name: string) => cells.get(name) as ProcedureCell;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
  for (const name of ["us1", "us2", "de1"]) {
    const one = await startProcedureCell(name);
    cells.set(name, one);
    await announce(fleet, name, one.address);
  }
  acmeId = await writer.insert("acme", "us1");
  await writer.insert("umlaut", "de1");
  router = await startRouter(fleet, {
    hosts: new Map([["127.0.0.1", "us"]]),
    staticRoutes: new Map([["/grpc.health.v1.Health/Watch", "us2"]]),
  });
  await router.whenComplete;
}, TEST_MAX_MS);
afterEach(() => {
  for (const one of cells.values()) {
    one.asked.length = 0;
    one.misdirection = undefined;
  }
});
afterAll(async () => {
  await router?.stop({ graceMs: 100 });
  for (const one of cells.values()) await one.stop();
  await writer?.close();
  await fleet?.stop();
});

const TRANSPORTS: readonly (readonly [string, (baseUrl: string) => Transport, protocol: string])[] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl }), "grpc"],
  ["gRPC-Web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }), "grpc-web"],
  ["gRPC-Web over HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }), "grpc-web"],
  ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }), "connect"],
  ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }), "connect"],
];

describe.each(TRANSPORTS)("a procedure called by %s", (_name, createTransport, protocol) => {
  test("is answered by the cell of the organization that a header names, by slug or id; streams too", async () => {
    const health = createClient(Health, createTransport(router.address));
    for (const organization of ["acme", acmeId]) {
      let answered: string | null = null;
      const onHeader = (headers: Headers) => {
        answered = headers.get("cell");
      };
      const options = { headers: { "cellway-organization": organization }, onHeader };
      expect((await health.check({}, options)).status).toBe(SERVING);
      expect(answered).toBe("us1");
    }
    const statuses: number[] = [];
    for await (const { status } of health.watch({}, ACME)) statuses.push(status);
    expect(statuses).toEqual([NOT_SERVING, SERVING, NOT_SERVING]);
    expect(cell("us1").asked).toEqual([`${protocol} Check`, `${protocol} Check`, `${protocol} Watch`]);
  });

  test("goes nowhere, and its caller is told why, without that header, for nobody, and for another locality", async () => {
    const health = createClient(Health, createTransport(router.address));
    const call = (headers: Record<string, string>) =>
      health.check({}, { headers }).catch((error: unknown) => ConnectError.from(error));
    const outcomes = [
      await call({}),
      await call({ "cellway-organization": "nobody" }),
      await call({ "cellway-organization": "umlaut" }),
    ];
    for (const outcome of outcomes) expect(outcome).toBeInstanceOf(ConnectError);
    if (protocol !== "grpc") return;
    const errors = outcomes as ConnectError[];
    expect(errors.map(({ code }) => code)).toEqual([Code.InvalidArgument, Code.NotFound, Code.FailedPrecondition]);
    expect(errors.map(({ rawMessage }) => rawMessage)).toEqual([
      expect.stringContaining("in the header cellway-organization"),
      expect.stringContaining("ORGANIZATION_NOT_FOUND"),
      expect.stringContaining("lives in locality de: https://de.example.test/grpc.health.v1.Health/Check"),
    ]);
    expect([...cells.values()].flatMap(({ asked }) => asked)).toEqual([]);
  });
});

test.each([
  ["gRPC", createGrpcTransport],
  ["Connect", createConnectTransport],
])("a call of %s in both directions at once goes through, message by message", async (_name, createTransport) => {
  const transport = createTransport({ baseUrl: router.address, httpVersion: "2" });
  const reflection = createClient(ServerReflection, transport);
  let release: () => void = () => {};
  async function* ask() {
    for (const host of ["one", "two", "three"]) {
      yield { host };
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    }
  }
  const answers: string[] = [];
  for await (const { validHost } of reflection.serverReflectionInfo(ask(), ACME)) {
    answers.push(validHost);
    release();
  }
  expect(answers).toEqual(["echo one", "echo two", "echo three"]);
});

test.each(["connect", "grpc", "grpcweb"])(
  "buf curl, which is another client than ours, is answered over %s",
  async (protocol) => {
    const flags = ["curl", "--http2-prior-knowledge", "--protocol", protocol, "--schema", ".", "--data", "{}"];
    const check = `${router.address}/grpc.health.v1.Health/Check`;
    const answer = await buf(...flags, "-H", "cellway-organization: acme", check);
    expect(answer).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(answer.stdout)).toEqual({ status: "SERVING" });
    expect(cell("us1").asked).toEqual([`${protocol === "grpcweb" ? "grpc-web" : protocol} Check`]);
    const refused = await buf(...flags, "-H", "cellway-organization: nobody", check);
    expect(refused.code).not.toBe(0);
    if (protocol === "grpc") expect(refused.stderr).toContain("ORGANIZATION_NOT_FOUND");
  },
);

test("a deadline that passes ends the call at the cell", async () => {
  const health = createClient(Health, createGrpcTransport({ baseUrl: router.address }));
  await expect(health.check({ service: "never" }, { ...ACME, timeoutMs: 200 })).rejects.toMatchObject({
    code: Code.DeadlineExceeded,
  });
  await until("the cell knows", async () => cell("us1").underWay === 0);
});

test("a procedure without the header goes where a static route leads", async () => {
  const health = createClient(Health, createGrpcTransport({ baseUrl: router.address }));
  let count = 0;
  for await (const _ of health.watch({})) count += 1;
  expect([count, cell("us2").asked]).toEqual([3, ["grpc Watch"]]);
});

test("the header leads to procedures alone: nothing else that a cell serves is reached by it", async () => {
  for (const path of [
    "/metrics",
    "/readyz",
    "/api/0/internal/routes/",
    "/grpc.health.v1.Health",
    "/a.b/c/d",
    "/.a/b",
  ]) {
    const answer = await ask(router, path, ACME);
    expect([path, answer.status, answer.code]).toEqual([path, 404, "PATH_UNKNOWN"]);
  }
  expect([...cells.values()].flatMap(({ asked }) => asked)).toEqual([]);
});

test("a call for an organization that moved is sent again to its new cell, once, and is answered", async () => {
  const { rows } = await writer.pool.query(
    "select route_epoch from control.organization_mapping where organization_id = $1",
    [acmeId],
  );
  const epoch = String(Number(rows[0]?.route_epoch) + 1);
  cell("us1").misdirection = { "x-cellway-cell": "us2", "x-cellway-route-epoch": epoch };
  const health = createClient(Health, createGrpcTransport({ baseUrl: router.address }));
  expect((await health.check({}, ACME)).status).toBe(SERVING);
  expect([cell("us1").asked, cell("us2").asked]).toEqual([[], ["grpc Check"]]);
});

test("a cell that serves HTTP/1.1 alone is UNIMPLEMENTED for gRPC, and serves the rest on", async () => {
  const plain = await startCellListener("us2");
  await announce(fleet, "us2", plain.address);
  await writer.insert("plain", "us2");
  const health = createClient(Health, createGrpcTransport({ baseUrl: router.address }));
  const headers = { "cellway-organization": "plain" };
  const refusal = () =>
    health.check({}, { headers }).then(
      () => new ConnectError("it was answered"),
      (error: unknown) => ConnectError.from(error),
    );
  await until("its address is here", async () => (await refusal()).rawMessage.startsWith("UPSTREAM_WITHOUT_HTTP2"));
  expect((await refusal()).code).toBe(Code.Unimplemented);
  expect((await ask(router, "/api/0/organizations/plain/")).text).toBe("us2");
  // It is no service of Connect: what matters is that it is asked, the way that it can be.
  const connected = createClient(Health, createConnectTransport({ baseUrl: router.address, httpVersion: "2" }));
  const next = () => connected.watch({}, { headers })[Symbol.asyncIterator]().next();
  for (let count = 0; count < 2; count += 1) await expect(next()).rejects.toThrow(ConnectError);
  const watch = "/grpc.health.v1.Health/Watch";
  expect(plain.asked.filter((path) => path === watch)).toEqual([watch, watch]);
  await announce(fleet, "us2", cell("us2").address);
  await plain.stop();
});
