import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { ControlOutboxService } from "@cellway/gen/cellway/outbox/v1/operator";
import { formatKeys } from "@cellway/rpc";
import { formatTopology } from "@cellway/silo";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type CommandResult, cellwayOf } from "./command-line.js";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, until } from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let counter = 0;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, network: "sockets" });
});

afterAll(() => fleet?.stop());

/** `cellway outbox …` against a fleet; there is no folder of a `cellway dev` where it looks. */
function outbox(args: string, of = fleet, mode = "siloed"): Promise<CommandResult> {
  const settings = {
    CELLWAY_TOPOLOGY: JSON.stringify(formatTopology(of.topology)),
    CELLWAY_RPC_KEYS: formatKeys([of.masterKey]),
    CELLWAY_MODE: mode,
  };
  return cellwayOf(settings, "outbox", ...args.split(" "));
}

/** An organization with a project key that control knows. */
async function createKey(
  cellName: string,
): Promise<{ organization: TestOrganization; keyId: string; publicKey: string }> {
  counter += 1;
  const organization = await createOrganization(fleet, { cellName, ownerUserId: await createUser(fleet) });
  const organizations = fleet.client(OrganizationService);
  const { id: organizationId } = organization;
  const { teams } = await organizations.listTeams({ organizationId });
  const slug = `project-${counter}`;
  const { project } = await organizations.createProject({
    organizationId,
    teamId: teams[0]?.id ?? "",
    slug,
    name: slug,
  });
  const { key } = await organizations.createProjectKey({
    organizationId,
    projectId: project?.id ?? "",
    label: "default",
  });
  const shard = { scope: OutboxScope.ORGANIZATION, shardId: organizationId };
  await fleet.cell(cellName).outbox("CELL").flush(shard);
  return { organization, keyId: key?.id ?? "", publicKey: key?.publicKey ?? "" };
}

const setPublicKey = (cellName: string, keyId: string, publicKey: string) =>
  fleet
    .cell(cellName)
    .database("CELL")
    .query("update cell.project_key set public_key = $2 where id = $1", [keyId, publicKey]);

async function publicKeyAtControl(keyId: string): Promise<string | undefined> {
  const sql = "select public_key from control.project_key_mapping where project_key_id = $1";
  return (await fleet.control.database("CONTROL").query<{ public_key: string }[]>(sql, [keyId]))[0]?.public_key;
}

/** Why streams of a cell do not flow. */
async function heldStates(cellName: string): Promise<string[]> {
  const sql = "select state from cell.outbox_stream";
  return (await fleet.cell(cellName).database("CELL").query<{ state: string }[]>(sql)).map(({ state }) => state);
}

/** A shard of us2 that control refuses: its key has what another project's key has. */
async function startStuck() {
  const taken = await createKey("us1");
  const stuck = await createKey("us2");
  await setPublicKey("us2", stuck.keyId, taken.publicKey);
  await until("it backs off", async () => (await heldStates("us2")).includes("BACKING_OFF"));
  return { ...stuck, taken };
}

describe("a shard that is refused", () => {
  test("is seen in the status, with its reason in the list, in metrics, and goes on when it is retried", async () => {
    const { organization, keyId, taken } = await startStuck();
    const status = await outbox("status --category ProjectKeyReplica --destination control");
    expect(status.stdout).toMatch(/us2 +ProjectKeyReplica \(1\) +organization +control +backing off +1 /);
    expect(status.stdout).toMatch(/us2 +1 +0 .* 1 backing off/);
    const { stdout: json } = await outbox("status --silo us2 --json");
    expect(JSON.parse(json)).toMatchObject({
      silos: [{ silo: "us2", depths: [{ category: 1, state: "BACKING_OFF", depth: 1 }], pauses: [] }],
      failures: [],
    });
    const shown = await outbox(`show --silo us2 --scope organization --shard ${organization.id}`);
    expect(shown.stdout).toContain("PUBLIC_KEY_TAKEN");
    expect(shown.stdout).toContain(keyId);
    expect(shown.stdout).not.toContain(taken.publicKey);
    await until("gauges say so", async () => {
      const labels = { side: "cell", state: "BACKING_OFF" };
      return (await fleet.cell("us2").metrics.value("cellway_outbox_held_streams", labels)) === 1;
    });
    const depth = { destination: "control", category: "cellway.directory.v1.ProjectKeyReplica", state: "BACKING_OFF" };
    expect(await fleet.cell("us2").metrics.value("cellway_outbox_depth_messages", depth)).toBe(1);
    expect(await fleet.cell("us2").metrics.value("cellway_outbox_lease_owned", { side: "cell" })).toBe(1);

    await setPublicKey("us1", taken.keyId, taken.keyId.padStart(32, "0"));
    await until("the other key is told", async () => (await publicKeyAtControl(taken.keyId)) !== taken.publicKey);
    await outbox(`retry --silo us2 --scope organization --shard ${organization.id}`);
    await until("control knows it", async () => (await publicKeyAtControl(keyId)) === taken.publicKey);
    expect((await outbox("status --silo us2")).stdout).toContain("Nothing waits.");
  }, 60_000);

  test("is parked in the end, kept with its reason, and told with its present state when it is retried", async () => {
    const { organization, keyId, publicKey } = await createKey("us2");
    const parked = `insert into cell.outbox_parked (destination, scope, shard_id, category, object_id, error, created_at)
      values ('control', 1, $1, 1, $2, 'REFUSED', now() - interval '3 hours')`;
    await fleet.cell("us2").database("CELL").query(parked, [organization.id, keyId]);
    await fleet.control
      .database("CONTROL")
      .query("update control.project_key_mapping set public_key = null where project_key_id = $1", [keyId]);
    const list = await outbox("show --silo us2 --parked");
    expect(list.stdout).toMatch(new RegExp(`control +organization +${organization.id} .* parked +- +3h .*REFUSED`));
    const retried = await outbox("retry --silo us2 --category 1");
    expect(retried.stdout).toBe("1 parked message is put back, 0 streams that failed are tried at once.\n");
    await until("control knows it", async () => (await publicKeyAtControl(keyId)) === publicKey);
    expect((await outbox("show --silo us2 --parked")).stdout).toBe("No row is like that.\n");
  }, 60_000);
});

test("what is paused stays, and is told once it is resumed", async () => {
  const { keyId } = await createKey("de1");
  const paused = await outbox("pause --silo de1 --category ProjectKeyReplica");
  expect(paused.stdout).toMatch(/de1 +category 1 /);
  let turn = 0;
  await until("the process that delivers knows", async () => {
    turn += 1;
    await setPublicKey("de1", keyId, String(turn).padStart(32, "a"));
    return (await heldStates("de1")).includes("PAUSED");
  });
  await setPublicKey("de1", keyId, "b".repeat(32));
  expect((await outbox("status")).stdout).toMatch(/de1 +category 1 /);
  const resumed = await outbox("resume --silo de1 --all");
  expect(resumed.stdout).toBe("1 pause is taken back.\n\nNothing is paused.\n");
  await until("control knows it", async () => (await publicKeyAtControl(keyId)) === "b".repeat(32));
}, 60_000);

test("a table is replicated anew on demand: what the other side had lost is there again", async () => {
  const { keyId, publicKey } = await createKey("us1");
  await fleet.control.database("CONTROL").query("delete from control.project_key_mapping");
  const begun = await outbox("backfill --start --silo us1 --category ProjectKeyReplica --rate 1000 --follow");
  expect(begun.stdout).toMatch(/^It has begun\.\n/);
  expect(begun.stdout).toMatch(/us1 +ProjectKeyReplica \(1\) +1 +\[#{30}\] 100 % +(\d+)\/\1 /);
  await until("control knows it", async () => (await publicKeyAtControl(keyId)) === publicKey);
  expect((await outbox("backfill")).stdout).toMatch(/us2 +ProjectKeyReplica \(1\) +1 +nothing to do/);
}, 60_000);

describe("silos that do not answer", () => {
  test("are named, with the answers of the others, and make the command fail", async () => {
    await fleet.stopSilo("us1");
    const { code, stdout, stderr } = await outbox("status");
    await fleet.restart("us1");
    expect([code, stderr.split("\n").length]).toEqual([1, 2]);
    expect(stderr).toMatch(/^us1 did not answer: unavailable/);
    for (const silo of ["control", "us2", "de1"]) expect(stdout).toMatch(new RegExp(`^${silo} `, "m"));
  }, 60_000);

  test("may be control: then the cells of the topology file are asked", async () => {
    await fleet.stopSilo("control");
    const { code, stdout, stderr } = await outbox("backfill");
    await fleet.restart("control");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^control did not answer: unavailable/);
    expect(stdout).toMatch(/^us1 /m);
  }, 60_000);
});

test.each([
  ["show --silo us9 --parked", "CELL_NOT_FOUND"],
  ["show --silo us1 --parked --category Nothing", "category: is none of ProjectKeyReplica (1)"],
  ["show --silo us1 --parked --page nonsense", "page_token: is not one that this list gave out"],
  ["backfill --start --silo control --category 99", "category: no table is replicated as this one"],
])(
  "outbox %s fails and says why",
  async (args, why) => {
    const { code, stderr } = await outbox(args);
    expect([code, stderr.split("\n").length]).toEqual([1, 2]);
    expect(stderr).toContain(why);
  },
  30_000,
);

test("a cell may neither see nor steer the outbox of control", async () => {
  const client = fleet.cell("us1").rpc.client(ControlOutboxService);
  for (const call of [client.getControlOutboxStatus({}), client.pauseControlOutbox({})]) {
    expect(await failureOf(call)).toMatchObject({ reason: "CALLER_NOT_ALLOWED" });
  }
});

test("in a monolith both outboxes are asked, each once", async () => {
  const monolith = await startFleet({ modules: MODULES, mode: "monolith", network: "sockets" });
  try {
    const { code, stdout } = await outbox("status", monolith, "monolith");
    expect(code).toBe(0);
    expect(stdout.split("\n").filter((line) => line.includes("(epoch "))).toHaveLength(2);
  } finally {
    await monolith.stop();
  }
}, 60_000);
