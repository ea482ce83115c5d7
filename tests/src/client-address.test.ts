import { parseTrustedProxies } from "@cellway/http";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, until } from "./organizations.js";
import { createToken } from "./public-api.js";
import { announce, ask, startRouter } from "./router-stage.js";

const TRUSTED = parseTrustedProxies(["127.0.0.0/8", "::1"]);

let fleet: Fleet;
let userId: string;
let token: string;
let organization: TestOrganization;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, trust: { trustedProxies: TRUSTED } });
  userId = await createUser(fleet);
  token = await createToken(fleet, userId);
  organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
  await announce(fleet, "us1", fleet.cell("us1").httpAddress);
}, 60_000);
afterAll(() => fleet?.stop());

/** Asks through a router and answers the address that the cell has noted for it. */
async function findNoted(router: { address: string }, said: string): Promise<string[]> {
  await fleet.cell("us1").database("CELL").query("delete from cell.user_ip");
  const path = `/api/0/organizations/${organization.slug}/`;
  await until("the router leads there", async () => {
    const headers = { authorization: `Bearer ${token}`, "x-forwarded-for": said };
    return (await ask(router, path, { headers })).status === 200;
  });
  let noted: string[] = [];
  await until("the address is noted", async () => {
    const sql = "select ip_address as address from cell.user_ip where user_id = $1";
    const rows = await fleet.cell("us1").database("CELL").query<{ address: string }[]>(sql, [userId]);
    noted = rows.map(({ address }) => address);
    return noted.length > 0;
  });
  return noted;
}

test("a cell behind a router, behind a load balancer that the router trusts, notes the address of the client", async () => {
  const router = await startRouter(fleet, { trustedProxies: TRUSTED });
  expect(await findNoted(router, "203.0.113.9, 198.51.100.7")).toEqual(["198.51.100.7"]);
  await router.stop();
});

test("what a client says of its address to a router that trusts nobody does not reach the cell", async () => {
  const router = await startRouter(fleet);
  expect(await findNoted(router, "203.0.113.9")).toEqual(["127.0.0.1"]);
  await router.stop();
});
