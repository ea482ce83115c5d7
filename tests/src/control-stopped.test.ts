import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, until, untilDelivered } from "./organizations.js";
import { createToken } from "./public-api.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask, startRouter } from "./router-stage.js";

let fleet: Fleet;
let folder: string;
let writer: RouteWriter;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  folder = await mkdtemp(join(tmpdir(), "cellway-router-"));
  writer = new RouteWriter(fleet.control.databaseUrl);
  for (const name of ["us1", "us2"]) await announce(fleet, name, fleet.cell(name).httpAddress);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
  await rm(folder, { recursive: true, force: true });
});

const path = (organization: string) => `/api/0/organizations/${organization}/`;

test("control stopped: a router restarts and routes, cells authenticate, and a new organization is 503, not 404; control back: it is served, and nothing was restarted", async () => {
  const ownerUserId = await createUser(fleet);
  const { slug, id } = await createOrganization(fleet, { cellName: "us1", ownerUserId });
  const headers = { authorization: `Bearer ${await createToken(fleet, ownerUserId)}` };
  await untilDelivered(fleet);
  const disk = { path: join(folder, "routes"), pauseMs: 5 };
  const first = await startRouter(fleet, { disk });
  await first.whenComplete;
  await until("the cell knows the member", async () => (await ask(first, path(slug), { headers })).status === 200);
  await until(
    "a copy is written that has the organization",
    async () => (await first.metrics.value("cellway_locator_disk_writes_total", { outcome: "ok" })) > 0,
  );
  await first.stop({ graceMs: 100 });

  await fleet.stopSilo("control");
  const router = await startRouter(fleet, { disk });
  for (const organization of [slug, id]) {
    const answer = await ask(router, path(organization), { headers });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ id, slug });
  }
  // Control's other processes go on: another one has made an organization.
  const newId = await writer.insert("new-one", "us2");
  for (const organization of ["new-one", newId, "nobody"]) {
    const refused = await ask(router, path(organization), { headers });
    expect(refused).toMatchObject({ status: 503, code: "ROUTE_UNKNOWN", headers: { "retry-after": "1" } });
  }

  await fleet.restart("control");
  // The cell has no such organization: that it is asked is what is to be seen.
  await until("the new organization is served", async () => {
    const { code, headers: said } = await ask(router, path("new-one"), { headers });
    return said["ratelimit-limit"] !== undefined && code !== "ROUTE_UNKNOWN";
  });
  await until("absences are known again", async () => {
    return (await ask(router, path("nobody"), { headers })).code === "ORGANIZATION_NOT_FOUND";
  });
  expect((await ask(router, path(slug), { headers })).status).toBe(200);
  await router.stop({ graceMs: 100 });
}, 60_000);
