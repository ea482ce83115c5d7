import { create, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import { AuditEvent, AuditLogRecordSchema } from "@cellway/gen/cellway/audit/v1/records";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { type CallContext, type Viewer, withCallContext } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { addMember, createOrganization, createUser, type TestOrganization, until } from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
}, 60_000);
afterAll(() => fleet?.stop());

const organizations = () => fleet.client(OrganizationService);

async function makeOrganization(cellName = "us1"): Promise<TestOrganization> {
  return createOrganization(fleet, { cellName, ownerUserId: await createUser(fleet) });
}

/** Makes calls as code in control that serves somebody. */
function onBehalfOf<T>(viewer: Viewer, work: () => T): T {
  const call: CallContext = {
    localMode: "CONTROL",
    siloName: "control",
    caller: "control",
    viewer,
    deadlineAtMs: Date.now() + 10_000,
    signal: undefined,
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  };
  return withCallContext(call, work);
}

/** One try of a cell to tell control of everything that was done in an organization. */
function flush({ id, cellName }: Pick<TestOrganization, "id" | "cellName">, timeoutMs = 10_000): Promise<void> {
  const shard = { scope: OutboxScope.AUDIT_LOG, shardId: id };
  return fleet.cell(cellName).outbox("CELL").flush(shard, { timeoutMs });
}

/** Waits until a cell has told control of everything that was done in an organization. */
async function untilTold(organization: TestOrganization): Promise<void> {
  const isTold = () =>
    flush(organization).then(
      () => true,
      () => false,
    );
  await until("control is told", isTold, 40_000);
}

/** All entries of an organization, oldest first, page by page. */
async function listAll({ id: organizationId }: TestOrganization, pageSize = 200) {
  const entries = [];
  let pageToken = "";
  do {
    const page = await fleet.client(AuditLogService).listAuditLogEntries({ organizationId, pageSize, pageToken });
    entries.push(...page.entries);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return entries.toReversed();
}

async function eventsOf(organization: TestOrganization): Promise<(string | undefined)[]> {
  return (await listAll(organization)).map(({ event }) => AuditEvent[event]);
}

function writeOption(client: ReturnType<typeof organizations>, { id }: TestOrganization, key: string) {
  return client.setOrganizationOption({
    organizationId: id,
    key,
    value: { kind: { case: "boolValue", value: true } },
  });
}

test("what is done in an organization is listed, newest first, with who did it and from where", async () => {
  const organization = await makeOrganization();
  const userId = await createUser(fleet);
  const memberId = await addMember(fleet, organization, userId);
  const viewer: Viewer = { kind: "user", userId, tokenId: "12", ipAddress: "2001:db8::7" };
  const { id: organizationId } = organization;
  await onBehalfOf(viewer, () =>
    organizations().updateOrganizationMember({
      organizationId,
      memberId,
      role: MemberRole.ADMIN,
      updateMask: { paths: ["role"] },
    }),
  );
  await organizations().updateOrganization({ organizationId, name: "New", updateMask: { paths: ["name"] } });
  await organizations().removeOrganizationMember({ organizationId, memberId });
  await untilTold(organization);
  const { entries } = await fleet.client(AuditLogService).listAuditLogEntries({ organizationId });
  expect(entries.map(({ event }) => AuditEvent[event])).toEqual([
    "MEMBER_REMOVED",
    "ORGANIZATION_CHANGED",
    "MEMBER_CHANGED",
    "MEMBER_ADDED",
    "ORGANIZATION_CREATED",
  ]);
  expect(entries[2]).toMatchObject({
    organizationId,
    cellName: "us1",
    targetId: memberId,
    actor: { kind: "user", userId, tokenId: "12", ipAddress: "2001:db8::7" },
    details: { role: "ADMIN", previous_role: "MEMBER" },
  });
  expect(entries[1]?.actor).toBeUndefined();
  const own = await fleet.client(AuditLogService).listUserAuditLogEntries({ userId });
  expect(own.entries.map(({ event }) => AuditEvent[event])).toEqual(["MEMBER_CHANGED"]);
});

test("pages of a log hold every entry once", async () => {
  const organization = await makeOrganization();
  for (let count = 0; count < 5; count += 1) await writeOption(organizations(), organization, `o${count}`);
  await untilTold(organization);
  const keys = (await listAll(organization, 2)).map(({ details }) => details["key"]);
  expect(keys).toEqual([undefined, "o0", "o1", "o2", "o3", "o4"]);
});

test("what is undone or refused leaves no entry", async () => {
  const organization = await makeOrganization();
  const { id: organizationId } = organization;
  const userId = await createUser(fleet);
  await addMember(fleet, organization, userId);
  expect((await failureOf(addMember(fleet, organization, userId)))?.reason).toBe("MEMBER_EXISTS");
  const { members } = await organizations().listOrganizationMembers({ organizationId, role: MemberRole.OWNER });
  const owner = members[0]?.id ?? "";
  const removal = organizations().removeOrganizationMember({ organizationId, memberId: owner });
  expect((await failureOf(removal))?.reason).toBe("LAST_OWNER");
  await organizations().deleteProjectKey({ organizationId, keyId: "1" });
  await organizations().deleteOrganizationOption({ organizationId, key: "none" });
  await untilTold(organization);
  expect(await eventsOf(organization)).toEqual(["ORGANIZATION_CREATED", "MEMBER_ADDED"]);
});

test("while control is away nothing fails, and everything arrives afterwards, once and in order", async () => {
  const first = await makeOrganization("us1");
  const second = await makeOrganization("us1");
  const local = fleet.cell("us1").rpc.client(OrganizationService);
  await fleet.stopSilo("control");
  const keys = Array.from({ length: 60 }, (_, index) => `option-${index}`);
  for (const key of keys) {
    await writeOption(local, first, key);
    await writeOption(local, second, key);
  }
  await expect(flush(first, 200)).rejects.toMatchObject({ name: "OutboxFlushError", isCommitted: true });
  await fleet.restart("control");
  for (const organization of [first, second]) {
    await untilTold(organization);
    const told = (await listAll(organization)).map(({ details }) => details["key"]);
    expect(told).toEqual([undefined, ...keys]);
  }
}, 60_000);

test("an entry that is told again is there once, as it was", async () => {
  const organization = await makeOrganization();
  await untilTold(organization);
  const [created] = await listAll(organization);
  const content = toBinary(
    AuditLogRecordSchema,
    create(AuditLogRecordSchema, { event: AuditEvent.OPTION_SET, occurredAt: timestampNow() }),
  );
  await writeByHand(organization, created?.id ?? "", content);
  await untilTold(organization);
  expect(await listAll(organization)).toEqual([created]);
});

async function writeByHand(
  { id, cellName }: Pick<TestOrganization, "id" | "cellName">,
  entryId: string,
  content: Uint8Array,
): Promise<void> {
  await fleet
    .cell(cellName)
    .database("CELL")
    .query("select cell.outbox_write(array['control'], 4, $1, 60, $2, $3)", [id, entryId, Buffer.from(content)]);
}

test("what was done in an organization is kept when control hears of it after the organization is gone", async () => {
  const organization = await makeOrganization("us2");
  const { id: organizationId } = organization;
  await organizations().deleteOrganization({ organizationId, immediately: true });
  const mapping = "select from control.organization_mapping where organization_id = $1";
  await until("control knows that it is gone", async () => {
    const rows = await fleet.control.database("CONTROL").query<unknown[]>(mapping, [organizationId]);
    return rows.length === 0;
  });
  const late = create(AuditLogRecordSchema, { event: AuditEvent.OPTION_SET, occurredAt: timestampNow() });
  await writeByHand(organization, "9007199254740991", toBinary(AuditLogRecordSchema, late));
  await untilTold(organization);
  expect(await eventsOf(organization)).toEqual(["ORGANIZATION_CREATED", "ORGANIZATION_PURGED", "OPTION_SET"]);
});

test("a cell tells nothing of another cell's organizations, also of ones that are gone", async () => {
  const organization = await makeOrganization("de1");
  const content = toBinary(
    AuditLogRecordSchema,
    create(AuditLogRecordSchema, { event: AuditEvent.OPTION_SET, occurredAt: timestampNow() }),
  );
  const gone = (BigInt(organization.id) + 1024n).toString();
  for (const id of [organization.id, gone]) {
    await writeByHand({ id, cellName: "us1" }, "77", content);
    await expect(flush({ id, cellName: "us1" })).rejects.toThrow("ORGANIZATION_NOT_OWNED");
  }
  expect((await listAll(organization)).filter(({ id }) => id === "77")).toEqual([]);
});

test("a cell reads the log of its own organizations only, and control that of all", async () => {
  const organization = await makeOrganization("de1");
  await untilTold(organization);
  const request = { organizationId: organization.id };
  expect((await fleet.cell("de1").rpc.client(AuditLogService).listAuditLogEntries(request)).entries).toHaveLength(1);
  const foreign = fleet.cell("us1").rpc.client(AuditLogService);
  expect(await failureOf(foreign.listAuditLogEntries(request))).toEqual({
    code: Code.PermissionDenied,
    reason: "ORGANIZATION_NOT_OWNED",
  });
  expect(await failureOf(foreign.listUserAuditLogEntries({ userId: "1" }))).toEqual({
    code: Code.PermissionDenied,
    reason: "CALLER_NOT_ALLOWED",
  });
});

test("a viewer that is no user's id is an actor without one: the change is made all the same", async () => {
  const organization = await makeOrganization();
  const viewer: Viewer = { kind: "user", userId: "somebody", tokenId: "x".repeat(500) };
  await onBehalfOf(viewer, () => writeOption(organizations(), organization, "dark"));
  await untilTold(organization);
  const [, entry] = await listAll(organization);
  expect(entry?.actor).toMatchObject({ kind: "user", tokenId: "x".repeat(64) });
  expect(entry?.actor?.userId).toBeUndefined();
});
