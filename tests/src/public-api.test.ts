import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { createOpenApiDocument, ORGANIZATION_PARAMETER } from "@cellway/http";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, until } from "./organizations.js";
import { ask, createToken } from "./public-api.js";

let fleet: Fleet;
let userId: string;
let token: string;
let organization: TestOrganization;
const ROUTES = MODULES.flatMap(({ routes }) => routes);

/**
 * Public routes of cells that do not carry the organization, with what must become of each: `add organization`, `move to
 * control` or `remove`. It may only shrink.
 */
const WITHOUT_ORGANIZATION: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  userId = await createUser(fleet);
  token = await createToken(fleet, userId);
  organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
}, 60_000);
afterAll(() => fleet?.stop());

test("every public route of cells carries the organization, but for those of the table", () => {
  const cellRoutes = ROUTES.filter(({ localMode }) => localMode === "CELL");
  const prefix = `/api/0/organizations/{${ORGANIZATION_PARAMETER}}/`;
  const without = cellRoutes.filter(({ path }) => !path.startsWith(prefix)).map(({ name }) => name);
  expect(cellRoutes.length).toBeGreaterThan(20);
  expect(without.toSorted()).toEqual(Object.keys(WITHOUT_ORGANIZATION).toSorted());
});

test("the OpenAPI document of all routes lints clean", async () => {
  // Our paths end with a slash, as the SDKs that call them write it.
  const config = await createConfig({ extends: ["recommended"], rules: { "no-path-trailing-slash": "off" } });
  const source = JSON.stringify(createOpenApiDocument(ROUTES, "0.2.0"));
  expect(await lintFromString({ source, absoluteRef: "openapi.json", config })).toEqual([]);
});

test("whoever calls control sees themselves, their organizations in all cells page by page, and the open localities", async () => {
  const de = await createOrganization(fleet, { cellName: "de1", ownerUserId: userId });
  const me = await ask(fleet.control, "GET", "/api/0/users/me/", { token });
  expect(me).toMatchObject({ status: 200, body: { id: userId, emails: [{ is_primary: true }] } });
  await until("the directory lists both", async () => {
    const { body } = await ask(fleet.control, "GET", "/api/0/organizations/", { token });
    return (body as unknown as unknown[]).length === 2;
  });
  const seen: unknown[] = [];
  for (let path: string | undefined = "/api/0/organizations/?per_page=1"; path !== undefined; ) {
    const { body, headers } = await ask(fleet.control, "GET", path, { token });
    seen.push(...(body as unknown as unknown[]));
    path = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
  }
  expect(seen).toHaveLength(2);
  expect(seen).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ slug: organization.slug, locality: "us", role: "OWNER" }),
      expect.objectContaining({
        slug: de.slug,
        locality: "de",
        role: "OWNER",
        url: `https://de.example.test/api/0/organizations/${de.slug}/`,
      }),
    ]),
  );
  const { body } = await ask(fleet.control, "GET", "/api/0/localities/", { token });
  expect(body).toEqual(expect.arrayContaining([expect.objectContaining({ name: "de" })]));
});

test("the same Idempotency-Key creates one organization, and with another body is 422", async () => {
  const create = (slug: string, key: string) =>
    ask(fleet.control, "POST", "/api/0/organizations/", {
      token,
      body: { slug, name: "Created", locality: "de" },
      headers: { "idempotency-key": key },
    });
  const [first, again] = [await create("created-once", "key-1"), await create("created-once", "key-1")];
  expect([first.status, first.body]).toEqual([201, again.body]);
  expect(first.body).toMatchObject({ url: "https://de.example.test/api/0/organizations/created-once/" });
  expect(await create("created-twice", "key-1")).toMatchObject({ status: 422, body: { code: "REQUEST_ID_REUSED" } });
  const cell = fleet.cell("de1");
  expect((await ask(cell, "GET", "/api/0/organizations/created-once/", { token })).status).toBe(200);
  const nowhere = { slug: "nowhere", name: "Nowhere", locality: "mars" };
  expect(await ask(fleet.control, "POST", "/api/0/organizations/", { token, body: nowhere })).toMatchObject({
    status: 400,
    body: { code: "LOCALITY_UNKNOWN" },
  });
});

test("a token makes others with no more than its own scopes, and ends them in every silo", async () => {
  const weak = await createToken(fleet, userId, ["token:write"]);
  const path = "/api/0/api-tokens/";
  const more = await ask(fleet.control, "POST", path, { token: weak, body: { name: "more", scopes: ["org:admin"] } });
  expect(more).toMatchObject({ status: 403, body: { code: "SCOPE_MISSING" } });
  const made = await ask(fleet.control, "POST", path, { token, body: { name: "made", scopes: ["org:read"] } });
  const { api_token: apiToken, token: secret } = made.body as { api_token: { id: string }; token: string };
  const read = () => ask(fleet.cell("us1"), "GET", `/api/0/organizations/${organization.slug}/`, { token: secret });
  expect((await read()).status).toBe(200);
  expect((await ask(fleet.control, "DELETE", `${path}${apiToken.id}/`, { token })).status).toBe(200);
  await until("the cell has heard of it", async () => (await read()).status === 401);
});

test("an invited person becomes a member; with a wrong token nobody learns whether there is an invitation", async () => {
  const guest = await createToken(fleet, await createUser(fleet));
  const base = `/api/0/organizations/${organization.slug}/`;
  const cell = fleet.cell("us1");
  const invited = await ask(cell, "POST", `${base}members/`, { token, body: { email: "guest@example.com" } });
  const { member, invite_token: inviteToken } = invited.body as { member: { id: string }; invite_token: string };
  const accept = (id: string, inviteText: string, slug = organization.slug) =>
    ask(cell, "POST", `/api/0/organizations/${slug}/members/${id}/accept/`, {
      token: guest,
      body: { invite_token: inviteText },
    });
  const answers = [
    await accept(member.id, "wrong"),
    await accept("77", "wrong"),
    await accept("77", "wrong", "nowhere"),
  ];
  const texts = answers.map(({ status, body }) => JSON.stringify([status, { ...body, request_id: "" }]));
  expect([answers[0]?.status, new Set(texts).size]).toEqual([404, 1]);
  expect((await ask(cell, "GET", base, { token: guest })).status).toBe(404);
  expect((await accept(member.id, inviteToken)).status).toBe(200);
  expect((await ask(cell, "GET", base, { token: guest })).status).toBe(200);
});

test("a cell that knows a member notes where the requests come from", async () => {
  const known = fleet.cell("us1").database("CELL");
  await ask(fleet.cell("us1"), "GET", `/api/0/organizations/${organization.slug}/`, { token });
  await until("the address is noted", async () => {
    const rows = await known.query<unknown[]>("select 1 from cell.user_ip where user_id = $1", [userId]);
    return rows.length === 1;
  });
});

test("while control is away a cell knows its members; of a token that it does not know it says 503, not 401", async () => {
  await until("the cell has the token", async () => {
    const known = await fleet.cell("de1").rpc.client(ReplicaService).verifyApiToken({ cellName: "de1", token });
    return known.verified !== undefined;
  });
  const stranger = await createToken(fleet, await createUser(fleet));
  const path = "/api/0/organizations/created-once/";
  await fleet.stopSilo("control");
  expect((await ask(fleet.cell("de1"), "GET", path, { token })).status).toBe(200);
  expect(await ask(fleet.cell("de1"), "GET", path, { token: stranger })).toMatchObject({
    status: 503,
    body: { status: 503 },
  });
  expect((await ask(fleet.cell("de1"), "GET", path, { token: "not-a-token" })).status).toBe(401);
  await fleet.restart("control");
  expect((await ask(fleet.cell("de1"), "GET", path, { token: stranger })).status).toBe(404);
});
