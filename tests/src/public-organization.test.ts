import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, install, type TestOrganization, until } from "./organizations.js";
import { ask, createToken, type PublicAnswer } from "./public-api.js";

let fleet: Fleet;
let token: string;
let userId: string;
let organization: TestOrganization;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, limits: { circuitMinCallsPerSecond: 1_000_000 } });
  userId = await createUser(fleet);
  token = await createToken(fleet, userId);
  organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
}, 60_000);
afterEach(() => fleet.memory?.down.clear());
afterAll(() => fleet?.stop());

const call = (method: string, path: string, body?: unknown): Promise<PublicAnswer> =>
  ask(fleet.cell("us1"), method, `/api/0/organizations/${organization.id}/${path}`, { token, body });
const getBySlug = (slug: string) => ask(fleet.cell("us1"), "GET", `/api/0/organizations/${slug}/`, { token });

test("a manager renames an organization; both slugs lead to it, and its history says who did it", async () => {
  const renamed = await call("PUT", "slug/", { slug: "renamed-once" });
  expect(renamed).toMatchObject({ status: 200, body: { id: organization.id, slug: "renamed-once" } });
  expect((await call("PUT", "slug/", { slug: "renamed-once" })).status).toBe(200);
  for (const slug of ["renamed-once", organization.slug]) {
    expect(await getBySlug(slug)).toMatchObject({ status: 200, body: { slug: "renamed-once" } });
  }
  await until("the change stands in the audit log", async () => {
    const { body } = await call("GET", "audit-log/");
    const entries = body as unknown as { event: string; actor_user_id: string | null; details: { slug?: string } }[];
    const entry = entries.find(({ event }) => event === "ORGANIZATION_RENAMED");
    return entry?.actor_user_id === userId && entry.details.slug === "renamed-once";
  });
});

test("a slug that another organization has in any locality is 409, and one that is reserved or none is 400", async () => {
  const other = await createOrganization(fleet, { cellName: "de1", ownerUserId: userId });
  expect(await call("PUT", "slug/", { slug: other.slug })).toMatchObject({ status: 409, body: { code: "SLUG_TAKEN" } });
  for (const slug of ["us", "12345", "A_B"]) expect((await call("PUT", "slug/", { slug })).status).toBe(400);
});

test("while control is away a rename is 503, names are still changed, and what is installed is still listed", async () => {
  const integrationId = await install(fleet, organization);
  await until("the cell knows the installation and the token", async () => {
    const { body } = await call("GET", "integrations/");
    return (body as unknown as unknown[]).length === 1;
  });
  fleet.memory?.down.add(fleet.topology.controlRpcAddress);
  expect(await call("PUT", "slug/", { slug: "renamed-never" })).toMatchObject({ status: 503 });
  expect(await call("PATCH", "", { name: "Renamed" })).toMatchObject({ status: 200, body: { name: "Renamed" } });
  expect((await call("GET", "integrations/")).body).toEqual([
    expect.objectContaining({
      integration_id: integrationId,
      config: { branch: "main" },
      integration: expect.objectContaining({ provider: "github", name: "GitHub", status: "ACTIVE" }),
    }),
  ]);
});

test("what is installed is configured, switched off and taken out; of another organization it is not there", async () => {
  const integrationId = await install(fleet, organization);
  const path = `integrations/${integrationId}/`;
  const changed = await call("PATCH", path, { config: { branch: "next", depth: [1] }, status: "DISABLED" });
  expect(changed).toMatchObject({ status: 200, body: { status: "DISABLED", config: { branch: "next", depth: [1] } } });
  expect(await call("PATCH", path, { status: "ACTIVE" })).toMatchObject({ body: { config: { branch: "next" } } });
  expect((await call("PATCH", path, {})).status).toBe(400);
  expect((await call("PATCH", path, { config: { text: "x".repeat(70_000) } })).status).toBe(400);
  const other = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
  const foreign = `integrations/${await install(fleet, other)}/`;
  expect((await call("PATCH", foreign, { status: "DISABLED" })).status).toBe(404);
  expect((await call("DELETE", foreign)).body).toEqual({ was_removed: false });
  expect((await call("DELETE", path)).body).toEqual({ was_removed: true });
});
