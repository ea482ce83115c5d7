import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import {
  addMember,
  CELLS,
  createMemberEverywhere,
  createOrganization,
  createUser,
  until,
  untilDelivered,
} from "./organizations.js";
import {
  controlQuery,
  createToken,
  findAcceptingCells,
  findKnowingCells,
  findReplica,
  replicasOf,
  settleCells,
  untilTold,
  untilUserTold,
} from "./replicas.js";
import { failureOf } from "./scenario.js";

type Statement = [sql: string, parameters: unknown[]];

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const users = () => fleet.client(UserService);

async function rename(userId: string, displayName: string): Promise<void> {
  await users().updateUser({ userId, displayName, updateMask: { paths: ["display_name"] } });
}

/** Runs one statement, and the other while the first is not committed; commits that one later still. */
async function overlap(first: Statement, second: Statement, isTime: () => boolean | Promise<boolean>): Promise<void> {
  const database = fleet.control.database("CONTROL");
  const { waiting } = await database.transaction(async (manager) => {
    await manager.query(...first);
    const call = database.transaction(async (other) => {
      await other.query(...second);
      await until("the second may commit", isTime);
    });
    await until("the second waits for the first", async () => {
      const sql = "select from pg_stat_activity where wait_event_type = 'Lock' and query = $1";
      return (await controlQuery(fleet, sql, [second[0]])).length > 0;
    });
    return { waiting: call };
  });
  await waiting;
}

test("cells accept tokens and know their members while control is away", async () => {
  const { userId } = await createMemberEverywhere(fleet);
  const { token } = await createToken(fleet, userId);
  await untilUserTold(fleet, userId);
  await fleet.stopSilo("control");
  // Nor does a cell need control to start.
  await fleet.restart("us2");
  const found = [await findAcceptingCells(fleet, token), await findKnowingCells(fleet, userId)];
  await fleet.restart("control");
  expect(found).toEqual([CELLS, CELLS]);
}, 30_000);

test("a cell that was away learns all it missed, and delays no other", async () => {
  const { userId } = await createMemberEverywhere(fleet);
  const { token, tokenId } = await createToken(fleet, userId);
  const kept = await createToken(fleet, userId);
  await untilUserTold(fleet, userId);
  await fleet.stopSilo("us2");
  await users().revokeApiToken({ userId, tokenId });
  for (const name of ["first", "second", "third"]) await rename(userId, name);
  for (const cellName of ["us1", "de1"]) {
    await until(`${cellName} knows`, async () => (await findReplica(fleet, cellName, userId))?.displayName === "third");
  }
  const flushed = fleet.control.outbox("CONTROL").flush({ scope: OutboxScope.USER, shardId: userId });
  await expect(flushed).rejects.toMatchObject({ name: "OutboxFlushError", isCommitted: true });
  await fleet.restart("us2");
  await untilTold(fleet);
  expect((await findReplica(fleet, "us2", userId))?.displayName).toBe("third");
  expect([await findAcceptingCells(fleet, token), await findAcceptingCells(fleet, kept.token)]).toEqual([[], CELLS]);
}, 30_000);

test("a user that joined a cell while it was away is known there once it is back", async () => {
  const userId = await createUser(fleet);
  const { token } = await createToken(fleet, userId);
  const organization = await createOrganization(fleet, { cellName: "de1", ownerUserId: await createUser(fleet) });
  await untilDelivered(fleet);
  await untilTold(fleet);
  await fleet.stopSilo("de1");
  const sql = `insert into control.organization_member_mapping (organization_id, member_id, user_id, role, invite_status, version)
    values ($1, 1, $2, 'MEMBER', 'ACCEPTED', 1)`;
  await controlQuery(fleet, sql, [organization.id, userId]);
  await fleet.restart("de1");
  await untilTold(fleet);
  expect(await findAcceptingCells(fleet, token)).toEqual(["de1"]);
}, 30_000);

test("what a cell refuses is held with its reason, and nobody else waits for it", async () => {
  const { userId } = await createMemberEverywhere(fleet);
  const { userId: otherId } = await createMemberEverywhere(fleet);
  const changeName = (name: string) =>
    controlQuery(fleet, "update control.user set display_name = $2 where id = $1", [userId, name]);
  await Promise.all([untilUserTold(fleet, userId), untilUserTold(fleet, otherId)]);
  await changeName("n".repeat(101));
  await until("every cell has refused it", async () => {
    const sql = "select error from control.outbox_stream where scope = 2 and shard_id = $1";
    const rows = await controlQuery<{ error: string }>(fleet, sql, [userId]);
    return rows.length === CELLS.length && rows.every(({ error }) => error.includes("CONTENT_INVALID"));
  });
  await rename(otherId, "Unharmed");
  await untilUserTold(fleet, otherId);
  expect((await findReplica(fleet, "us1", otherId))?.displayName).toBe("Unharmed");
  expect((await findReplica(fleet, "us1", userId))?.displayName).not.toHaveLength(101);
  await changeName("Repaired");
  await untilTold(fleet);
  expect((await findReplica(fleet, "us1", userId))?.displayName).toBe("Repaired");
});

describe("a token that is revoked while its user comes to another cell", () => {
  /** A user in us1, with a token, and what brings it to us2. */
  async function createTraveller() {
    const userId = await createUser(fleet);
    const { token, tokenId } = await createToken(fleet, userId);
    const ownerUserId = await createUser(fleet);
    const first = await createOrganization(fleet, { cellName: "us1", ownerUserId });
    const second = await createOrganization(fleet, { cellName: "us2", ownerUserId });
    await addMember(fleet, first, userId);
    await untilDelivered(fleet);
    await untilUserTold(fleet, userId);
    const revoke: Statement = ["delete from control.api_token where id = $1", [tokenId]];
    const join: Statement = [
      `insert into control.organization_member_mapping (organization_id, member_id, user_id, role, invite_status, version)
        values ($1, $2, $2, 'MEMBER', 'ACCEPTED', 1)`,
      [second.id, userId],
    ];
    return { userId, token, revoke, join };
  }

  test("is accepted in neither when it was revoked first", async () => {
    const { userId, token, revoke, join } = await createTraveller();
    await overlap(revoke, join, () => true);
    await untilTold(fleet);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([
      ["us1", "us2"],
      [],
    ]);
  });

  test("is accepted in neither when the user was there first, and the cell knew of the token", async () => {
    const { userId, token, revoke, join } = await createTraveller();
    await overlap(join, revoke, async () => (await findAcceptingCells(fleet, token)).includes("us2"));
    await untilTold(fleet);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([
      ["us1", "us2"],
      [],
    ]);
  });
});

test("a user that leaves an organization while it moves is forgotten in both cells", async () => {
  const userId = await createUser(fleet);
  const organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
  await untilDelivered(fleet);
  await untilUserTold(fleet, userId);
  await overlap(
    ["update control.organization_mapping set cell_name = 'us2' where organization_id = $1", [organization.id]],
    ["update control.organization_member_mapping set is_removed = true where organization_id = $1", [organization.id]],
    async () => {
      await fleet.control.tasks.runNow("user.settle-cells");
      return true;
    },
  );
  await settleCells(fleet);
  await untilTold(fleet);
  expect(await findKnowingCells(fleet, userId)).toEqual([]);
});

test("a cell is asked for its own copies by nobody else", async () => {
  const call = replicasOf(fleet, "control").batchGetUsers({ cellName: "us1", userIds: ["1"] });
  expect(await failureOf(call)).toMatchObject({ reason: "CALLER_NOT_ALLOWED" });
});
