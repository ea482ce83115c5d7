import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask, type CellListener, startCellListener, startFaultProxy, startRouter } from "./router-stage.js";

type Router = Awaited<ReturnType<typeof startRouter>>;

let fleet: Fleet;
let writer: RouteWriter;
let router: Router;
let ids: Record<"acme" | "globex" | "umlaut", string>;
const cells = new Map<string, CellListener>();
const cell = (name: string): CellListener => {
  const found = cells.get(name);
  if (found === undefined) throw new Error(`There is no listener of ${name}.`);
  return found;
};
const path = (organization: string) => `/api/0/organizations/${organization}/projects/`;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});
beforeEach(async () => {
  await writer.clear();
  for (const name of ["us1", "us2", "de1"]) {
    cells.set(name, await startCellListener(name));
    await announce(fleet, name, cell(name).address);
  }
  ids = {
    acme: await writer.insert("acme", "us1"),
    globex: await writer.insert("globex", "us2"),
    umlaut: await writer.insert("umlaut", "de1"),
  };
  router = await startRouter(fleet);
  await router.whenComplete;
});
afterEach(async () => {
  fleet.memory?.down.clear();
  await router.stop({ graceMs: 100 });
  for (const one of cells.values()) await one.stop();
});

describe("a request", () => {
  test("goes to the cell of its organization, by slug and by id, with what is sent and what is answered", async () => {
    cell("us2").listener = (req, res) => {
      req.pipe(res.writeHead(201, { "x-cell-says": `${String(req.headers["x-cellway-cell"])} ${req.headers.host}` }));
    };
    expect((await ask(router, path("acme"))).text).toBe("us1");
    expect((await ask(router, path(ids.acme))).text).toBe("us1");
    const sent = await ask(router, `${path("globex")}?a=b`, { method: "POST", body: "body" });
    expect(sent).toMatchObject({ status: 201, text: "body", headers: { "x-cell-says": "us2 us.example.test" } });
    expect(cell("us2").asked).toEqual([`${path("globex")}?a=b`]);
  });

  test.each(["us.example.test:443", "US.Example.TEST", "us.example.test.", "us.example.test.:8100"])(
    "finds its locality by the host %s: port, case and a final dot say nothing (defect 15)",
    async (host) => {
      expect((await ask(router, path("acme"), { host })).text).toBe("us1");
    },
  );

  test.each([
    ["an unknown host", "example.test", path("acme"), 404, "HOST_UNKNOWN"],
    ["an organization that nobody has", "us.example.test", path("nobody"), 404, "ORGANIZATION_NOT_FOUND"],
    ["an id that nobody has", "us.example.test", path("99999"), 404, "ORGANIZATION_NOT_FOUND"],
    ["an id that is too large", "us.example.test", path("99999999999999999999"), 404, "ORGANIZATION_NOT_FOUND"],
    ["what is no slug", "us.example.test", path("%41cme"), 404, "ORGANIZATION_NOT_FOUND"],
    ["a path without an organization", "us.example.test", "/api/0/users/", 404, "PATH_UNKNOWN"],
    ["a path that steps back", "us.example.test", `${path("acme")}../../globex/`, 400, "PATH_AMBIGUOUS"],
    ["a path that steps back in code", "us.example.test", `${path("acme")}%2e%2E/x`, 400, "PATH_AMBIGUOUS"],
    ["a path with an encoded separator", "us.example.test", path("acme%2fglobex"), 400, "PATH_AMBIGUOUS"],
  ])("for %s is refused with a reason, and no cell hears of it", async (_what, host, target, ...refusal) => {
    const [status, code] = refusal;
    expect(await ask(router, target, { host })).toMatchObject({ status, code });
    expect([...cells.values()].flatMap(({ asked }) => asked)).toEqual([]);
  });

  test("for an organization of another locality is 421 with the right URL, by slug and by id (defect 13)", async () => {
    for (const organization of ["umlaut", ids.umlaut]) {
      const answer = await ask(router, `${path(organization)}?a=b`);
      expect(answer).toMatchObject({ status: 421, code: "WRONG_LOCALITY" });
      expect(JSON.parse(answer.text)).toMatchObject({
        locality: "de",
        url: `https://de.example.test${path(organization)}?a=b`,
      });
    }
    expect(cell("de1").asked).toEqual([]);
  });

  test("is routed by its own host where one process serves several localities", async () => {
    const both = await startRouter(fleet, { localities: ["de", "us"], hosts: new Map([["umlaut.test", "de"]]) });
    await both.whenComplete;
    expect((await ask(both, path("umlaut"), { host: "umlaut.test" })).text).toBe("de1");
    expect((await ask(both, path("acme"))).text).toBe("us1");
    expect(await ask(both, path("umlaut"))).toMatchObject({ status: 421, code: "WRONG_LOCALITY" });
    expect(await ask(both, path("acme"), { host: "de.example.test" })).toMatchObject({ status: 421 });
    await both.stop();
  });

  test("by a static route goes to the cell it names, and not on a host of another locality", async () => {
    const staticRoutes = new Map([
      ["/legacy/", "us1"],
      ["/legacy/two/", "us2"],
      ["/foreign/", "de1"],
    ]);
    const other = await startRouter(fleet, { staticRoutes });
    await other.whenComplete;
    expect((await ask(other, "/legacy/x")).text).toBe("us1");
    expect((await ask(other, "/legacy/two/x")).text).toBe("us2");
    expect(await ask(other, "/foreign/")).toMatchObject({ status: 404, code: "PATH_UNKNOWN" });
    await other.stop();
  });

  test("for a cell of which nobody said where it serves HTTP is 503 with the remedy, and served once it is said (defect 19)", async () => {
    await announce(fleet, "us1", "");
    await until("the address is gone", async () => (await ask(router, path("acme"))).code === "CELL_WITHOUT_ADDRESS");
    expect((await ask(router, path("acme"))).text).toContain("cellway cells update us1 --http-address");
    await announce(fleet, "us1", cell("us1").address);
    await until("the address is here", async () => (await ask(router, path("acme"))).text === "us1");
  });
});

describe("a route that changes", () => {
  test("is used within a second: a move, a delete, a rename, a slug that is used again (defects 1 and 3)", async () => {
    await writer.move(ids.acme, "us2");
    await until("the move is here", async () => (await ask(router, path("acme"))).text === "us2");
    await writer.rename(ids.globex, "initech");
    await until("the new slug leads there", async () => (await ask(router, path("initech"))).text === "us2");
    await until("the old slug leads nowhere", async () => (await ask(router, path("globex"))).status === 404);
    await writer.remove(ids.acme);
    await until("the delete is here", async () => (await ask(router, path("acme"))).status === 404);
    await writer.insert("acme", "us1");
    await until("the slug leads to another", async () => (await ask(router, path("acme"))).text === "us1");
  });

  test("to another locality is seen at once: never served on the old host again (defect 2)", async () => {
    await writer.move(ids.acme, "de1");
    await until("the move is here", async () => (await ask(router, path("acme"))).code === "WRONG_LOCALITY");
    expect(cell("de1").asked).toEqual([]);
  });

  test("of which the cell is the first to tell is known at once, and the request sent again, once, with its body", async () => {
    // A transaction that is open keeps back what the feed may tell: the route in memory stays the old one.
    const open = await writer.begin();
    await writer.insert("unseen", "us1", open);
    await writer.move(ids.acme, "us2");
    const sql = "select route_epoch from control.organization_mapping where organization_id = $1";
    const { rows } = await writer.pool.query<{ route_epoch: string }>(sql, [ids.acme]);
    const headers = { "x-cellway-cell": "us2", "x-cellway-route-epoch": String(rows[0]?.route_epoch) };
    cell("us1").listener = (_req, res) => void res.writeHead(421, headers).end();
    cell("us2").listener = (req, res) => void req.pipe(res);
    const answer = await ask(router, path("acme"), { method: "POST", body: "once" });
    expect(answer).toMatchObject({ status: 200, text: "once" });
    expect([cell("us1").asked.length, cell("us2").asked.length]).toEqual([1, 1]);
    expect(await router.metrics.value("cellway_edge_repeats_total", { cell: "us2" })).toBe(1);
    await open.end("rollback");
  });

  test("to another locality, told by the cell, is 421 to the client and never sent there", async () => {
    cell("us1").listener = (_req, res) =>
      void res.writeHead(421, { "x-cellway-cell": "de1", "x-cellway-route-epoch": "999999999" }).end();
    const answer = await ask(router, path("acme"));
    expect(answer).toMatchObject({ status: 421, code: "WRONG_LOCALITY" });
    expect(cell("de1").asked).toEqual([]);
  });

  test("that cell and control do not agree on is 503, after each was asked once: no loop", async () => {
    const refuse: CellListener["listener"] = (_req, res) => void res.writeHead(421, { "x-cellway-cell": "us1" }).end();
    cell("us1").listener = refuse;
    expect(await ask(router, path("acme"))).toMatchObject({ status: 503, code: "ROUTE_CHANGED" });
    expect(cell("us1").asked).toHaveLength(1);
  });
});

describe("while control is away", () => {
  const cut = () => void fleet.memory?.down.add(fleet.topology.controlRpcAddress);

  test("what is known is routed, and an unknown organization is 503, never 404, nor is it remembered as absent, however many are asked for (defects 7, 8, 9 and 10)", async () => {
    cut();
    expect((await ask(router, path("acme"))).text).toBe("us1");
    const startedAt = performance.now();
    const unknown = await Promise.all(Array.from({ length: 300 }, (_, index) => ask(router, path(`new-${index}`))));
    expect(new Set(unknown.map(({ status }) => status))).toEqual(new Set([503]));
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    fleet.memory?.down.clear();
    await writer.insert("new-1", "us2");
    await until("control is asked again", async () => (await ask(router, path("new-1"))).text === "us2");
  });

  test("a router that starts with nothing is not ready and says 503 for everybody; from its disk copy it routes (defects 5 and 10)", async () => {
    const folder = await mkdtemp(join(tmpdir(), "cellway-router-"));
    const disk = { path: join(folder, "routes"), pauseMs: 5 };
    const first = await startRouter(fleet, { disk });
    await first.whenComplete;
    await until(
      "a copy is written",
      async () => (await first.metrics.value("cellway_locator_disk_writes_total", { outcome: "ok" })) > 0,
    );
    await first.stop();
    cut();
    const empty = await startRouter(fleet);
    expect(await ask(empty, path("acme"))).toMatchObject({ status: 503, code: "DIRECTORY_NOT_LOADED" });
    expect((await fetch(`${empty.adminAddress}/readyz`)).status).toBe(503);
    const restarted = await startRouter(fleet, { disk });
    expect((await ask(restarted, path("acme"))).text).toBe("us1");
    expect(await (await fetch(`${restarted.adminAddress}/readyz`)).json()).toMatchObject({ ready: true, routes: 2 });
    await Promise.all([empty.stop(), restarted.stop()]);
    await rm(folder, { recursive: true });
  });
});

test("an operator, and nobody else, is told why a request goes where it goes", async () => {
  const own = await startRouter(fleet, { operatorToken: "a-token-of-an-operator" });
  await own.whenComplete;
  const explained = async (token: string) =>
    (await ask(own, path("acme"), { headers: { "x-cellway-explain": token } })).headers["x-cellway-explain"];
  expect(await explained("a-token-of-a-stranger")).toBeUndefined();
  expect(JSON.parse(String(await explained("a-token-of-an-operator")))).toMatchObject({
    rule: "organization slug acme",
    cell: "us1",
    locality: "us",
    epoch: expect.any(Number),
    from: expect.stringMatching(/^(?:snapshot|change)$/),
    ageMs: expect.any(Number),
  });
  await own.stop();
});

describe("a cell that does wrong", () => {
  test("by holding, crawling, resetting or refusing gets the right status in bounded time, and the other cell is as before (defect 17)", async () => {
    const faulty = await startFaultProxy(cell("us1").address);
    await announce(fleet, "us1", faulty.address);
    const own = await startRouter(fleet, { limits: { firstByteTimeoutMs: 300, inFlightMax: 20 } });
    await own.whenComplete;
    const others = async () => {
      const startedAt = performance.now();
      expect((await ask(own, path("globex"))).text).toBe("us2");
      return performance.now() - startedAt;
    };
    expect((await ask(own, path("acme"))).text).toBe("us1");
    faulty.fault = "crawl";
    expect((await ask(own, path("acme"))).text).toBe("us1");
    faulty.fault = "reset";
    await expect(ask(own, path("acme"))).rejects.toThrow(/aborted|hang up/);
    faulty.fault = "hold";
    const held = Promise.all(Array.from({ length: 40 }, () => ask(own, path("acme"))));
    expect(await others()).toBeLessThan(2_000);
    expect(new Set((await held).map(({ status }) => status))).toEqual(new Set([429, 504]));
    await faulty.stop();
    const refused = (await ask(own, path("acme"))).code;
    expect(["UPSTREAM_UNREACHABLE", "UPSTREAM_CIRCUIT_OPEN"]).toContain(refused);
    expect(await others()).toBeLessThan(2_000);
    expect(await own.metrics.value("cellway_edge_in_flight", { cell: "us1" })).toBe(0);
    await own.stop();
  });
});

test("a router that is told to stop is not ready, finishes what is in flight and takes nothing new (defect 18)", async () => {
  let release = () => {};
  const arrived = new Promise<void>((resolve) => {
    cell("us1").listener = (_req, res) => {
      release = () => res.end("done");
      resolve();
    };
  });
  const answer = ask(router, path("acme"));
  await arrived;
  const stopped = router.stop();
  expect((await fetch(`${router.adminAddress}/readyz`)).status).toBe(503);
  await expect(ask(router, path("acme"))).rejects.toThrow(/ECONNREFUSED|hang up/);
  release();
  expect((await answer).text).toBe("done");
  await stopped;
});
