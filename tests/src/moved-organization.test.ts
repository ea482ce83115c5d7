import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { MemoryNetwork, Network } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, until, untilDelivered } from "./organizations.js";
import { ask as askCell, createToken } from "./public-api.js";
import { createEdge } from "./route-feed.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask as askRouter, startRouter } from "./router-stage.js";

const LOCATE = "/cellway.directory.v1.DirectoryService/LocateOrganization";
/** How long a cell uses control's word again, in milliseconds. */
const WORD_TTL_MS = 2_000;
const WATCH = "/cellway.directory.v1.RouteFeedService/WatchRoutes";
/** What a router says that believes in a route of this epoch. */
const by = (cell: string, epoch: number | string) => ({
  "x-cellway-cell": cell,
  "x-cellway-route-epoch": String(epoch),
});
const path = (idOrSlug: string) => `/api/0/organizations/${idOrSlug}/`;

let fleet: Fleet;
let writer: RouteWriter;
let userId: string;
let token: string;
let organization: TestOrganization;
let questions: string[];
/** What all silos take for the time, where a test has stopped their clocks. */
let stoppedAtMs: number | undefined;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, now: () => stoppedAtMs ?? Date.now() });
  writer = new RouteWriter(fleet.control.databaseUrl);
  userId = await createUser(fleet);
  token = await createToken(fleet, userId);
}, 60_000);
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});
beforeEach(async () => {
  organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
  await untilSettled(organization);
  questions = [];
  if (fleet.memory !== undefined) {
    fleet.memory.onRequest = ({ url }) => {
      if (url.endsWith(LOCATE)) questions.push(url);
    };
  }
});
afterEach(() => {
  stoppedAtMs = undefined;
  fleet.memory?.down.clear();
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
});

/** Nothing of it is on its way: its cell has been told that it exists, and has told the directory what it has. */
async function untilSettled({ id }: TestOrganization): Promise<void> {
  const sql = "select 1 from cell.organization where id = $1 and is_confirmed";
  const isConfirmed = async () => (await fleet.cell("us1").database("CELL").query<unknown[]>(sql, [id])).length === 1;
  await until("the cell knows that it exists", isConfirmed);
  await untilDelivered(fleet);
}

/** Brings the organization from us1 to another cell: its rows, then its route. Nobody is told; the route's epoch is answered. */
async function move(to: string): Promise<string> {
  const { id, slug } = organization;
  // The triggers would tell the directory that it was deleted.
  const quietly = (sql: string) => `set session_replication_role = replica; ${sql}; reset session_replication_role`;
  const tables = ["team_member", "organization_member", "project", "team", "organization_option"];
  const deletes = tables.map((table) => `delete from cell.${table} where organization_id = ${id}`);
  const old = fleet.cell("us1").database("CELL");
  await old.query(quietly([...deletes, `delete from cell.organization where id = ${id}`].join(";")));
  const made = { cellName: to, organizationId: id, slug, name: slug, ownerUserId: userId, ownerEmail: "o@example.com" };
  await fleet.client(OrganizationService).createOrganization(made);
  await writer.move(id, to);
  return epochOf(id);
}

async function epochOf(id: string): Promise<string> {
  const sql = "select route_epoch from control.organization_mapping where organization_id = $1";
  const { rows } = await writer.pool.query<{ route_epoch: string }>(sql, [id]);
  return String(rows[0]?.route_epoch);
}

/** A router's way to control, on which what the feed of routes tells is held back once it is told to. */
function createFeedHold(memory: MemoryNetwork) {
  let goOn = () => {};
  let passed = Promise.resolve();
  async function* hold(body: AsyncIterable<Uint8Array>) {
    for await (const chunk of body) {
      await passed;
      yield chunk;
    }
  }
  const send: Network["send"] = async (request) => {
    const response = await memory.send(request);
    return request.url.endsWith(WATCH) ? { ...response, body: hold(response.body) } : response;
  };
  const begin = () => {
    passed = new Promise((resolve) => {
      goOn = resolve;
    });
  };
  return { network: { ...memory, send }, begin, end: () => goOn() };
}

describe("of an organization that has moved", () => {
  test("the old cell tells a router whose it is now and since when, by id and by slug", async () => {
    const before = await epochOf(organization.id);
    const after = await move("us2");
    for (const idOrSlug of [organization.id, organization.slug]) {
      const answer = await askCell(fleet.cell("us1"), "GET", path(idOrSlug), { token, headers: by("us1", before) });
      expect(answer).toMatchObject({ status: 421, body: { status: 421, code: "ORGANIZATION_ELSEWHERE" } });
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(answer.headers.get("x-cellway-cell")).toBe("us2");
      expect(answer.headers.get("x-cellway-route-epoch")).toBe(after);
    }
  });

  test("a router with the old route learns it and asks the new cell, once, with the body", async () => {
    for (const name of ["us1", "us2"]) await announce(fleet, name, fleet.cell(name).httpAddress);
    const feed = createFeedHold(fleet.memory as MemoryNetwork);
    const router = await startRouter(fleet, { rpc: createEdge(fleet, feed.network) });
    await router.whenComplete;
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const post = (slug: string) =>
      askRouter(router, `${path(organization.slug)}teams/`, {
        method: "POST",
        headers,
        body: JSON.stringify({ slug, name: "A team" }),
      });
    await until("the router has the route", async () => (await post("before-the-move")).status === 201);
    feed.begin();
    await move("us2");
    const answer = await post("after-the-move");
    expect(answer).toMatchObject({ status: 201, headers: { "content-type": expect.stringContaining("json") } });
    expect(await router.metrics.value("cellway_edge_repeats_total", { cell: "us2" })).toBe(1);
    const list = await askCell(fleet.cell("us2"), "GET", `${path(organization.slug)}teams/`, { token });
    const slugs = (list.body as unknown as { slug: string }[]).map(({ slug }) => slug);
    expect(slugs.toSorted()).toEqual(["after-the-move", organization.slug].toSorted());
    feed.end();
    await router.stop({ graceMs: 100 });
  });

  test("who is no router is told no more than of one that is not there, and control is not asked", async () => {
    await move("us2");
    const withoutId = ({ status, body }: Awaited<ReturnType<typeof askCell>>) => [status, { ...body, request_id: "" }];
    const moved = await askCell(fleet.cell("us1"), "GET", path(organization.slug), { token });
    const unknown = await askCell(fleet.cell("us1"), "GET", path("nobody-at-all"), { token });
    expect(withoutId(moved)).toEqual(withoutId(unknown));
    expect([moved.status, moved.headers.get("x-cellway-cell"), questions]).toEqual([404, "us1", []]);
    const nobody = await askCell(fleet.cell("us1"), "GET", path(organization.slug), { headers: by("us1", 1) });
    expect([nobody.status, questions]).toEqual([401, []]);
  });

  test("control is asked once for many who ask, and again by a route that is newer than its word, or when that is old", async () => {
    const after = await move("us2");
    stoppedAtMs = Date.now();
    const get = (epoch: number | string) =>
      askCell(fleet.cell("us1"), "GET", path(organization.slug), { token, headers: by("us1", epoch) });
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(1)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([421]));
    expect((await get(1)).status).toBe(421);
    expect(questions).toHaveLength(1);
    await writer.move(organization.id, "us1");
    await writer.move(organization.id, "us2");
    const latest = await epochOf(organization.id);
    expect(Number(latest)).toBeGreaterThan(Number(after));
    expect((await get(latest)).headers.get("x-cellway-route-epoch")).toBe(latest);
    expect(questions).toHaveLength(2);
    stoppedAtMs += WORD_TTL_MS - 1;
    await get(latest);
    expect(questions).toHaveLength(2);
    stoppedAtMs += 1;
    expect((await get(latest)).status).toBe(421);
    expect(questions).toHaveLength(3);
  });
});

describe("a router", () => {
  test("is told 404 for what is not theirs who ask, for what nobody has, and for what no organization can be called", async () => {
    const stranger = await createToken(fleet, await createUser(fleet));
    const get = (idOrSlug: string, as: string) =>
      askCell(fleet.cell("us1"), "GET", path(idOrSlug), { token: as, headers: by("us1", 1) });
    const answers = [
      await get(organization.slug, stranger),
      await get("nobody-at-all", token),
      await get("A_B", token),
    ];
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    expect(questions).toHaveLength(1);
  });

  test("is told 503, never 404, for what is not here while control does not answer", async () => {
    await move("us2");
    fleet.memory?.down.add(fleet.topology.controlRpcAddress);
    await until("the cell has the token of its member", async () => {
      const answer = await askCell(fleet.cell("us1"), "GET", path("nobody-at-all"), { token });
      return answer.status === 404;
    });
    const answer = await askCell(fleet.cell("us1"), "GET", path(organization.slug), { token, headers: by("us1", 1) });
    expect(answer).toMatchObject({ status: 503, body: { code: "ORGANIZATION_PLACE_UNKNOWN" } });
    expect(answer.headers.get("retry-after")).toBe("1");
  });
});
