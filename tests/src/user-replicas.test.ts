import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
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
  type TestOrganization,
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
  untilUserTold,
} from "./replicas.js";

describe.each(["siloed", "monolith"] as const)("in a %s fleet", (mode) => {
  let fleet: Fleet;
  let nowMs: number | undefined;

  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES, mode, now: () => nowMs ?? Date.now() });
  });
  afterAll(() => fleet?.stop());

  const users = () => fleet.client(UserService);

  async function removeMember(organization: TestOrganization, userId: string): Promise<void> {
    const organizations = fleet.client(OrganizationService);
    const { id: organizationId } = organization;
    const { member } = await organizations.getOrganizationMember({
      organizationId,
      by: { case: "userId", value: userId },
    });
    await organizations.removeOrganizationMember({ organizationId, memberId: member?.id ?? "" });
    await untilDelivered(fleet);
  }

  test("a user and its tokens are known where it is a member, and nowhere else", async () => {
    const userId = await createUser(fleet);
    const { token, tokenId } = await createToken(fleet, userId);
    const owner = await createUser(fleet);
    const organization = await createOrganization(fleet, { cellName: "us2", ownerUserId: owner });
    await untilUserTold(fleet, userId);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([[], []]);
    await addMember(fleet, organization, userId);
    await untilDelivered(fleet);
    await untilUserTold(fleet, userId);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([["us2"], ["us2"]]);
    const { user } = await users().getUser({ userId });
    expect(await findReplica(fleet, "us2", userId)).toMatchObject({
      id: userId,
      username: user?.username,
      displayName: user?.displayName,
      isActive: true,
    });
    const { verified } = await replicasOf(fleet, "us2").verifyApiToken({ cellName: "us2", token });
    expect(verified).toMatchObject({ userId, tokenId, scopes: ["event:write", "project:read"] });
  });

  test("what changes is told to every cell of the user, however it is changed", async () => {
    const { userId } = await createMemberEverywhere(fleet);
    const names = async () => {
      await untilUserTold(fleet, userId);
      const replicas = await Promise.all(CELLS.map((cellName) => findReplica(fleet, cellName, userId)));
      return new Set(replicas.map((replica) => replica?.displayName));
    };
    await users().updateUser({ userId, displayName: "Ada", updateMask: { paths: ["display_name"] } });
    expect(await names()).toEqual(new Set(["Ada"]));
    const bulk =
      "update control.user set display_name = 'Bulk' where id in (select id from control.user where id >= $1)";
    await controlQuery(fleet, bulk, [userId]);
    expect(await names()).toEqual(new Set(["Bulk"]));
  });

  test("a token is accepted in every cell of its user until it is revoked, and then in none", async () => {
    const { userId } = await createMemberEverywhere(fleet);
    const { token, tokenId } = await createToken(fleet, userId);
    const other = await createToken(fleet, userId);
    await untilUserTold(fleet, userId);
    expect(await findAcceptingCells(fleet, token)).toEqual(CELLS);
    await users().revokeApiToken({ userId, tokenId });
    await untilUserTold(fleet, userId);
    expect(await findAcceptingCells(fleet, token)).toEqual([]);
    await controlQuery(fleet, "delete from control.api_token where user_id = $1", [userId]);
    await untilUserTold(fleet, userId);
    expect(await findAcceptingCells(fleet, other.token)).toEqual([]);
  });

  test("the tokens of a user that is deactivated are refused, and those of one that is active again accepted", async () => {
    const { userId } = await createMemberEverywhere(fleet);
    const { token } = await createToken(fleet, userId);
    for (const isActive of [false, true]) {
      await users().updateUser({ userId, isActive, updateMask: { paths: ["is_active"] } });
      await untilUserTold(fleet, userId);
      expect(await findAcceptingCells(fleet, token)).toEqual(isActive ? CELLS : []);
    }
  });

  test("a token that has expired is refused at once, with no word from control", async () => {
    const { userId } = await createMemberEverywhere(fleet);
    const { token, tokenId } = await createToken(fleet, userId);
    await controlQuery(fleet, "update control.api_token set expires_at = now() + interval '1 hour' where id = $1", [
      tokenId,
    ]);
    await untilUserTold(fleet, userId);
    expect(await findAcceptingCells(fleet, token)).toEqual(CELLS);
    nowMs = Date.now() + 3_700_000;
    const accepting = await findAcceptingCells(fleet, token);
    nowMs = undefined;
    expect(accepting).toEqual([]);
  });

  test("that a token was used is told to nobody", async () => {
    const { userId } = await createMemberEverywhere(fleet);
    const { tokenId } = await createToken(fleet, userId);
    await untilUserTold(fleet, userId);
    const countRows = (change: string) =>
      fleet.control.database("CONTROL").transaction(async (manager) => {
        await manager.query(`update control.api_token set ${change} where id = $1`, [tokenId]);
        const rows = await manager.query("select from control.outbox where scope = 2 and shard_id = $1", [userId]);
        return rows.length;
      });
    expect([await countRows("last_used_at = now()"), await countRows("scopes = '{}'")]).toEqual([0, CELLS.length]);
  });

  test("a user that leaves its last organization in a cell is forgotten there, and known again when it returns", async () => {
    const { userId, organizations } = await createMemberEverywhere(fleet);
    const { token } = await createToken(fleet, userId);
    const [first] = organizations as [TestOrganization];
    const second = await createOrganization(fleet, { cellName: "us1", ownerUserId: await createUser(fleet) });
    await addMember(fleet, second, userId);
    await removeMember(first, userId);
    await settleCells(fleet);
    await untilUserTold(fleet, userId);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([CELLS, CELLS]);
    await removeMember(second, userId);
    await settleCells(fleet);
    await untilUserTold(fleet, userId);
    const left = ["us2", "de1"];
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([left, left]);
    await addMember(fleet, first, userId);
    await untilDelivered(fleet);
    await untilUserTold(fleet, userId);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([CELLS, CELLS]);
  });

  test("nothing personal is kept of a user that a cell has forgotten", async () => {
    const { userId, organizations } = await createMemberEverywhere(fleet);
    await createToken(fleet, userId);
    await removeMember(organizations[0] as TestOrganization, userId);
    await settleCells(fleet);
    await untilUserTold(fleet, userId);
    const sql = `select username, display_name, avatar_url, is_active from cell.user_replica where cell_name = 'us1' and user_id = $1
      union all select encode(token_hash, 'hex'), scopes::text, null, null from cell.api_token_replica
        where cell_name = 'us1' and user_id = $1`;
    expect(await fleet.cell("us1").database("CELL").query(sql, [userId])).toEqual([
      { username: null, display_name: null, avatar_url: null, is_active: null },
    ]);
  });

  test("a user that is deleted is gone from every cell, with its tokens", async () => {
    const { userId } = await createMemberEverywhere(fleet);
    const { token } = await createToken(fleet, userId);
    await untilUserTold(fleet, userId);
    await users().deleteUser({ userId });
    await untilDelivered(fleet);
    await settleCells(fleet);
    await untilUserTold(fleet, userId);
    expect([await findKnowingCells(fleet, userId), await findAcceptingCells(fleet, token)]).toEqual([[], []]);
  });

  test("a merge of users moves who is known in the cell", async () => {
    const { userId: fromUserId } = await createMemberEverywhere(fleet);
    const toUserId = await createUser(fleet);
    await fleet.client(OrganizationService).mergeUsers({ cellName: "us1", fromUserId, toUserId });
    await untilDelivered(fleet);
    await settleCells(fleet);
    await Promise.all([untilUserTold(fleet, fromUserId), untilUserTold(fleet, toUserId)]);
    expect([await findKnowingCells(fleet, fromUserId), await findKnowingCells(fleet, toUserId)]).toEqual([
      ["us2", "de1"],
      ["us1"],
    ]);
  });
});
