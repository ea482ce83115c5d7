import { randomBytes } from "node:crypto";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceModule } from "@cellway/host";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, until } from "./organizations.js";
import { ask } from "./public-api.js";
import { controlQuery, createToken, findAcceptingCells } from "./replicas.js";

// A deploy under way: us1 runs code from before there were sessions, the others run this tree's.
let fleet: Fleet;
let isUs1Old = true;
let isControlOld = false;

/** The replicas of a cell without sessions: it refuses their category, as an old process does. */
function withoutSessions(module: ServiceModule): ServiceModule {
  const { receives } = module;
  if (module.name !== "replica" || receives === undefined) return module;
  return {
    ...module,
    receives: (context) => receives(context).filter(({ category }) => category.number !== SESSION_CATEGORY),
  };
}
const SESSION_CATEGORY = 24;

/** The users' service of a control that knows no sessions. */
function withoutSessionService(module: ServiceModule): ServiceModule {
  if (module.name !== "user") return module;
  return {
    ...module,
    routes: [],
    contracts: (context) => module.contracts(context).filter(({ service }) => service !== SessionService),
  };
}

beforeAll(async () => {
  fleet = await startFleet({
    modules: MODULES,
    limits: { peerWindowMs: 2_000, peerProbeMs: 50 },
    modulesOf(silo) {
      if (silo === "control" && isControlOld) return MODULES.map(withoutSessionService);
      return silo === "us1" && isUs1Old ? MODULES.map(withoutSessions) : MODULES;
    },
  });
}, 60_000);
afterAll(() => fleet?.stop());

async function knows(cellName: string, token: string): Promise<boolean> {
  const replicas = fleet.cell(cellName).rpc.client(ReplicaService);
  return (await replicas.verifySession({ cellName, token })).verified !== undefined;
}

test("a cell from before there were sessions goes on taking users and tokens, and has every session once it is new", async () => {
  const username = `roller-${randomBytes(4).toString("hex")}`;
  const made = await fleet
    .client(SessionService)
    .signUp({ username, email: `${username}@example.com`, password: "correct horse battery" });
  const userId = made.user?.id ?? "";
  const session = made.session?.token ?? "";
  for (const cellName of ["us1", "de1"]) await createOrganization(fleet, { cellName, ownerUserId: userId });
  await until("the new cell knows the session", () => knows("de1", session));
  const { token } = await createToken(fleet, userId);
  await until("both cells have the token", async () => (await findAcceptingCells(fleet, token)).length === 2);
  await until("control holds the session back for the old cell", async () => {
    const sql = "select from control.outbox_held where destination = 'us1' and category = $1";
    return (await controlQuery(fleet, sql, [SESSION_CATEGORY])).length > 0;
  });
  expect(await knows("us1", session)).toBe(false);
  // Neither a secret of a session nor its hash is an API token to anybody.
  expect(await findAcceptingCells(fleet, session)).toEqual([]);
  const asToken = await ask(fleet.cell("de1"), "GET", "/api/0/organizations/x/", { token: session });
  expect(asToken.status).toBe(401);

  isUs1Old = false;
  await fleet.restart("us1");
  await until("the cell that is new now has it", () => knows("us1", session), 60_000);
}, 120_000);

test("while control runs code from before there were sessions, a cell does not take a session for one that has ended", async () => {
  isControlOld = true;
  await fleet.restart("control");
  const cookie = `cellway_session=cws_${randomBytes(32).toString("base64url")}`;
  const answer = () => ask(fleet.cell("de1"), "GET", "/api/0/organizations/x/", { headers: { cookie } });
  expect(await answer()).toMatchObject({ status: 503, body: { code: "SESSIONS_UNAVAILABLE" } });
  isControlOld = false;
  await fleet.restart("control");
  // An old process counts as there for a while after it was last seen.
  await until("the cell asks the new control", async () => (await answer()).status === 401, 30_000);
}, 120_000);
