import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SERVED_CONTRACTS } from "cellway/dist/contracts.js";
import { askRemovable, callWithToken, DAY_MS, joinOldProcess, reportAll, runIn } from "./fleet-commands.js";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";

const CONFIRM = "organization.ConfirmOrganizationCreation";
const CANCEL = "organization.CancelOrganizationCreation";
const SYNC = "directory.SyncOrganization";
const MINUTE_MS = 60_000;
/** What passes by itself while a test runs. */
const SLACK_MS = 5 * MINUTE_MS;
let fleet: Fleet;
let nowMs: number;

beforeEach(async () => {
  nowMs = Date.now();
  fleet = await startFleet({ modules: MODULES, network: "sockets", version: "0.2.0", now: () => nowMs });
}, 60_000);
afterEach(() => fleet?.stop());

/** A call of control to a cell; there is no such organization, which is no matter. */
const confirmIn = (cellName: string) =>
  fleet
    .client(OrganizationService)
    .confirmOrganizationCreation({ cellName, organizationId: "7" })
    .catch(() => undefined);

async function pass(ms: number): Promise<void> {
  nowMs += ms;
  await reportAll(fleet);
}

describe("a deprecated method", () => {
  test("may be removed once all silos that serve it have counted it for seven days, and not before", async () => {
    expect((await askRemovable(fleet)).reasons(CONFIRM)).toEqual([
      "de1 COUNTED_TOO_SHORT",
      "us1 COUNTED_TOO_SHORT",
      "us2 COUNTED_TOO_SHORT",
    ]);
    await pass(7 * DAY_MS - SLACK_MS);
    expect((await askRemovable(fleet)).removable).toEqual([]);
    await pass(2 * SLACK_MS);
    const answer = await askRemovable(fleet);
    expect(answer).toMatchObject({ code: 0, failures: [], removable: [SYNC, CANCEL, CONFIRM] });
    expect(answer.unusedMs(SYNC)).toBeGreaterThan(7 * DAY_MS);
    expect(await askRemovable(fleet, "--days", "8")).toMatchObject({ removable: [] });
  });

  test("that anybody called within seven days is never listed, and is listed after them", async () => {
    await pass(20 * DAY_MS);
    await confirmIn("us2");
    await fleet
      .cell("de1")
      .rpc.client(DirectoryService)
      .syncOrganization({ organizationId: "7" })
      .catch(() => undefined);
    for (const days of [0, 1, 5]) {
      await pass(days * DAY_MS);
      const answer = await askRemovable(fleet);
      expect(answer.removable).toEqual([CANCEL]);
      expect(answer.reasons(CONFIRM)).toEqual(["us2 USED"]);
      expect(answer.kept(CONFIRM)?.reasons[0]?.users).toMatchObject([
        { caller: "control", service: "runtime", version: "0.2.0" },
      ]);
      expect(answer.kept(SYNC)?.reasons).toMatchObject([
        { silo: "control", users: [{ caller: "de1", service: "runtime", version: "0.2.0" }] },
      ]);
    }
    await pass(DAY_MS - SLACK_MS);
    expect((await askRemovable(fleet)).removable).toEqual([CANCEL]);
    await pass(2 * SLACK_MS);
    const answer = await askRemovable(fleet);
    expect(answer.removable).toEqual([SYNC, CANCEL, CONFIRM]);
    expect(answer.unusedMs(CANCEL)).toBeGreaterThan(27 * DAY_MS);
    expect(answer.unusedMs(CONFIRM)).toBeLessThan(7 * DAY_MS + 2 * SLACK_MS);
    expect(
      await fleet.cell("us2").metrics.value("cellway_rpc_deprecated_uses_total", {
        kind: "method",
        subject: CONFIRM,
        caller: "control",
      }),
    ).toBe(1);
  });

  test("that a tool called is kept, with what the tool said of itself, within bounds", async () => {
    await pass(20 * DAY_MS);
    const path = "/cellway.organization.v1.OrganizationService/ConfirmOrganizationCreation";
    const request = { cellName: "us1", organizationId: "7" };
    const call = (service: string, version: string) =>
      callWithToken(fleet, "us1", {
        path,
        request,
        headers: { "x-cellway-caller": `${service};${version}` },
      });
    expect(await call("console", "0.1.7")).toBe(404);
    expect(await call("a b", "x".repeat(65))).toBe(404);
    expect(await callWithToken(fleet, "us1", { path, request: {} })).toBe(400);
    const [reason] = (await askRemovable(fleet)).kept(CONFIRM)?.reasons ?? [];
    expect(reason).toMatchObject({ silo: "us1", why: "USED" });
    expect(reason?.users?.map(({ caller, service, version }) => `${caller} ${service} ${version}`).toSorted()).toEqual([
      "tool console 0.1.7",
      "tool unknown unknown",
    ]);
  });

  test("is kept through restarts of the silos that counted it", async () => {
    await pass(20 * DAY_MS);
    await confirmIn("us1");
    await fleet.restart("us1");
    await fleet.restart("control");
    await pass(6 * DAY_MS);
    expect(await askRemovable(fleet)).toMatchObject({ removable: [SYNC, CANCEL], failures: [] });
    await pass(2 * DAY_MS);
    expect((await askRemovable(fleet)).removable).toEqual([SYNC, CANCEL, CONFIRM]);
  });
});

describe("nothing is called removable", () => {
  test("while a cell does not answer", async () => {
    await pass(20 * DAY_MS);
    await fleet.stopSilo("de1");
    expect(await askRemovable(fleet)).toMatchObject({ code: 1, removable: [], failures: ["de1"] });
    const text = await runIn(fleet, ["contracts", "removable"]);
    expect(text.out).toContain("A silo has not answered: it is not known what may be removed.");
    expect(text.err).toContain("de1 did not answer");
    await fleet.restart("de1");
    await until("de1 answers", async () => (await askRemovable(fleet)).failures.length === 0);
  });

  test("while control does not answer, although every cell of the topology file does", async () => {
    await pass(20 * DAY_MS);
    await fleet.stopSilo("control");
    expect(await askRemovable(fleet)).toMatchObject({ code: 1, removable: [], failures: ["control"] });
  });
});

test("a process of a release that does not count keeps what its silo serves until it has been gone for seven days", async () => {
  await pass(20 * DAY_MS);
  const old = joinOldProcess(fleet, "us1", { version: "0.1.9", now: () => nowMs });
  await old.start();
  try {
    const answer = await askRemovable(fleet);
    expect(answer.removable).toEqual([SYNC]);
    expect(answer.kept(CONFIRM)?.reasons).toEqual([{ silo: "us1", why: "NOT_COUNTED", versions: ["0.1.9"] }]);
    expect((await runIn(fleet, ["contracts", "removable"])).out).toMatch(
      /organization\.ConfirmOrganizationCreation +method +us1 +not counted by processes of 0\.1\.9/,
    );
  } finally {
    await old.stop();
  }
  await pass(MINUTE_MS);
  expect((await askRemovable(fleet)).reasons(CONFIRM)).toEqual(["us1 COUNTED_TOO_SHORT"]);
  await pass(7 * DAY_MS + SLACK_MS);
  expect((await askRemovable(fleet)).removable).toEqual([SYNC, CANCEL, CONFIRM]);
});

test("every service that a silo serves is looked at", () => {
  const served = [...fleet.silos.values()].flatMap(({ rpc }) => rpc.services.map(({ typeName }) => typeName));
  expect(SERVED_CONTRACTS.map(({ typeName }) => typeName).toSorted()).toEqual([...new Set(served)].toSorted());
});

test("a monolith answers for both sides", async () => {
  const monolith = await startFleet({ modules: MODULES, network: "sockets", mode: "monolith", now: () => nowMs });
  try {
    nowMs += 8 * DAY_MS;
    await reportAll(monolith);
    expect(await askRemovable(monolith)).toMatchObject({ code: 0, removable: [SYNC, CANCEL, CONFIRM], failures: [] });
    const path = "/cellway.organization.v1.OrganizationService/ConfirmOrganizationCreation";
    await callWithToken(monolith, "monolith", { path, request: { cellName: "us1", organizationId: "7" } });
    expect((await askRemovable(monolith)).removable).toEqual([SYNC, CANCEL]);
  } finally {
    await monolith.stop();
  }
});
