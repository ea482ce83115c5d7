import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type GatewayStage, HOST, OPERATOR_TOKEN, PINNED, pathOf, startGatewayStage } from "./gateway-stage.js";
import { until } from "./organizations.js";
import { announce, ask, startRouter } from "./router-stage.js";

let stage: GatewayStage;
beforeAll(async () => {
  stage = await startGatewayStage();
});
afterAll(() => stage?.stop());
beforeEach(() => stage.reset());
afterEach(() => stage.stopCells());

describe("a request that arrives at control", () => {
  test("for an organization goes to its cell, of whatever locality, by slug and by id, with method, query and body", async () => {
    stage.cell("de1").listener = (req, res) => {
      req.pipe(res.writeHead(201, { "x-cell-says": `${String(req.headers["x-cellway-cell"])} ${req.headers.host}` }));
    };
    expect((await stage.ask(pathOf("acme"))).text).toBe("us1");
    expect((await stage.ask(pathOf(stage.ids.globex))).text).toBe("us2");
    const sent = await stage.ask(`${pathOf("umlaut")}?a=b`, { method: "POST", body: "{ not JSON" });
    expect(sent).toMatchObject({ status: 201, text: "{ not JSON", headers: { "x-cell-says": "de1 example.test" } });
    expect(stage.cell("de1").asked).toEqual([`${pathOf("umlaut")}?a=b`]);
  });

  test("also on a path and with a method that nobody here knows", async () => {
    stage.cell("us1").listener = (req, res) => void res.end(`${req.method} ${req.url}`);
    const method = "PROPFIND";
    const target = "/api/0/organizations/acme/a/path/that/is/new/";
    expect((await stage.ask(target, { method })).text).toBe(`PROPFIND ${target}`);
    expect((await stage.ask("/api/0/organizations/acme", { method: "HEAD" })).status).toBe(200);
  });

  test.each([
    ["a list of organizations", "/api/0/organizations/", 401, "TOKEN_MISSING"],
    ["the localities", "/api/0/localities/", 401, "TOKEN_MISSING"],
    ["a path that nobody has", "/api/0/nothing/", 404, "NOT_FOUND"],
    ["an organization that nobody has", pathOf("nobody"), 404, "ORGANIZATION_NOT_FOUND"],
    ["an id that nobody has", pathOf("99999"), 404, "ORGANIZATION_NOT_FOUND"],
    ["what is no slug", pathOf("%41cme"), 404, "ORGANIZATION_NOT_FOUND"],
    ["what cannot be decoded", pathOf("%ZZ"), 400, "REQUEST_MALFORMED"],
    ["a path that steps back", `${pathOf("acme")}../../globex/`, 400, "PATH_AMBIGUOUS"],
    ["a path with an encoded separator", pathOf("acme%2fglobex"), 400, "PATH_AMBIGUOUS"],
  ])("for %s is control's own, or refused with a reason; no cell hears of it", async (_what, target, status, code) => {
    expect(await stage.ask(target)).toMatchObject({ status, code });
    expect(stage.asked()).toEqual([]);
  });

  test("gets the answer that the router of the locality gives", async () => {
    const router = await startRouter(stage.fleet, { localities: ["us", "de"] });
    await router.whenComplete;
    const own = {
      "content-type": "text/x-cell",
      "set-cookie": "a=1",
      "x-cellway-secret": "1",
      connection: "x-hop",
      "x-hop": "1",
    };
    stage.cell("us2").listener = (req, res) => void req.pipe(res.writeHead(418, own));
    const comparable = ({ status, text, headers }: Awaited<ReturnType<typeof ask>>) => {
      const { date: _, "keep-alive": __, ...rest } = headers;
      return { status, text, headers: rest };
    };
    for (const target of [pathOf("globex"), pathOf("nobody"), pathOf("acme%2fglobex")]) {
      const asking = { method: "PUT", body: "body", headers: { "x-request-id": "request-1" } };
      const [byRouter, byGateway] = [await ask(router, target, asking), await stage.ask(target, asking)];
      expect(comparable(byGateway)).toEqual(comparable(byRouter));
    }
    await router.stop({ graceMs: 100 });
  });

  test("brings the client's address, request id, trace and token, and nothing that only edges and operators may say", async () => {
    let seen: IncomingMessage["headers"] = {};
    stage.cell("us1").listener = (req, res) => {
      seen = req.headers;
      res.writeHead(200, { "x-cellway-cell": "us1", "x-cellway-explain": "no" }).end();
    };
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const answer = await stage.ask(pathOf("acme"), {
      headers: {
        authorization: "Bearer cwu_token",
        cookie: "cellway_session=s",
        "x-request-id": "request-1",
        traceparent,
        "x-forwarded-for": "6.6.6.6",
        "x-cellway-cell": "de1",
        "x-cellway-explain": "a-guess",
      },
    });
    expect(seen).toMatchObject({
      authorization: "Bearer cwu_token",
      cookie: "cellway_session=s",
      "x-request-id": "request-1",
      traceparent,
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": HOST,
      via: "1.1 control",
      "x-cellway-cell": "us1",
      "x-cellway-route-epoch": expect.stringMatching(/^\d+$/),
    });
    expect(seen["x-cellway-explain"]).toBeUndefined();
    expect(answer.headers["x-cellway-cell"]).toBeUndefined();
    expect(answer.headers["x-cellway-explain"]).toBeUndefined();
    expect(answer.headers["x-request-id"]).toBe("request-1");
  });

  test("with the operator's token is explained", async () => {
    const answer = await stage.ask(pathOf("acme"), { headers: { "x-cellway-explain": OPERATOR_TOKEN } });
    expect(JSON.parse(String(answer.headers["x-cellway-explain"]))).toMatchObject({
      rule: "organization slug acme",
      cell: "us1",
      locality: "us",
      address: stage.cell("us1").address,
      epoch: expect.any(Number),
      ageMs: expect.any(Number),
    });
  });

  test("that has come round already, or names two hosts, is refused", async () => {
    await announce(stage.fleet, "us1", stage.fleet.control.httpAddress);
    await until("control leads to itself", async () => (await stage.ask(pathOf("acme"))).code === "REQUEST_LOOP");
    const socket = connect(Number(new URL(stage.fleet.control.httpAddress).port), "127.0.0.1");
    socket.end(`GET ${pathOf("globex")} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n`);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 400/);
    expect(stage.cell("us2").asked).toEqual([]);
  });
});

test("a pinned route goes to its cell and is counted by its pattern, so that one sees which can go", async () => {
  const metric = (pattern: string) =>
    stage.fleet.control.metrics.value("cellway_gateway_pinned_requests_total", { pattern });
  const before = await metric(PINNED);
  expect((await stage.ask("/api/0/issues/12/")).text).toBe("us1");
  expect((await stage.ask("/api/0/issues/12?a=b")).text).toBe("us1");
  expect((await stage.ask("/api/0/issues/12/events/")).code).toBe("NOT_FOUND");
  expect((await stage.ask("/api/0/shared/any/thing/")).text).toBe("de1");
  expect((await metric(PINNED)) - before).toBe(2);
  const page = await (await fetch(`${stage.fleet.control.httpAddress}/metrics`)).text();
  expect(page).toMatch(/cellway_gateway_pinned_requests_total\{pattern="\/api\/0\/nobody\/\*\*",silo="control"\} 0/);
});

test("unknown organizations by the hundred leave control its database, and none is 404 that was not looked for", async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => stage.ask(pathOf(`nobody-${index}`))));
  const seen = new Set(answers.map(({ status, code }) => `${status} ${code}`));
  for (const one of seen) expect(["404 ORGANIZATION_NOT_FOUND", "503 ROUTE_UNKNOWN"]).toContain(one);
  expect((await stage.ask("/readyz")).status).toBe(200);
});

test("control that stops finishes what is in flight, and says in /readyz how many routes it has and how old they are", async () => {
  const read = async () =>
    (JSON.parse((await stage.ask("/readyz")).text) as { gateway: Record<string, unknown> }).gateway;
  await until("all routes are there", async () => (await read())["routes"] === 3);
  expect(await read()).toEqual({ routes: 3, loaded: true, ageMs: expect.any(Number) });
  let release = () => {};
  const arrived = new Promise<void>((resolve) => {
    stage.cell("us1").listener = (_req, res) => {
      release = () => res.end("done");
      resolve();
    };
  });
  const answer = stage.ask(pathOf("acme"), { headers: { "x-slow": "1" } });
  await arrived;
  const stopped = stage.fleet.stopSilo("control", 5_000);
  release();
  expect(await answer).toMatchObject({ status: 200, text: "done" });
  await stopped;
  await stage.fleet.restart("control");
});
