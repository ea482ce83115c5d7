import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { ReplicaService, type ReplicatedUser } from "@cellway/gen/cellway/replica/v1/replica";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { Fleet } from "@cellway/testing";
import { CELLS, until } from "./organizations.js";

/** What code of a cell asks of what the cell knows by itself. */
export const replicasOf = (fleet: Fleet, cellName: string) => fleet.cell(cellName).rpc.client(ReplicaService);

/** Resolves once control has nothing left to tell any cell of a user, an organization or an integration. */
async function untilShardTold(fleet: Fleet, scope: OutboxScope, shardId: string): Promise<void> {
  await until(`cells were told everything of ${OutboxScope[scope]} ${shardId}`, async () => {
    const rows = await controlQuery(
      fleet,
      `select from control.outbox where scope = $1 and shard_id = $2
        union all select from control.outbox_held where scope = $1 and shard_id = $2`,
      [scope, shardId],
    );
    return rows.length === 0;
  });
}

/** See {@link untilShardTold}. */
export const untilUserTold = (fleet: Fleet, userId: string) => untilShardTold(fleet, OutboxScope.USER, userId);

/** See {@link untilShardTold}. */
export const untilOrganizationTold = (fleet: Fleet, organizationId: string) =>
  untilShardTold(fleet, OutboxScope.ORGANIZATION, organizationId);

/** See {@link untilShardTold}. */
export const untilIntegrationTold = (fleet: Fleet, integrationId: string) =>
  untilShardTold(fleet, OutboxScope.INTEGRATION, integrationId);

/** The user as a cell knows it; undefined when it knows of none. */
export async function findReplica(fleet: Fleet, cellName: string, userId: string): Promise<ReplicatedUser | undefined> {
  return (await replicasOf(fleet, cellName).batchGetUsers({ cellName, userIds: [userId] })).users[0];
}

/** The cells that know of the user, ordered as {@link CELLS}. */
export async function findKnowingCells(fleet: Fleet, userId: string): Promise<string[]> {
  const replicas = await Promise.all(CELLS.map((cellName) => findReplica(fleet, cellName, userId)));
  return CELLS.filter((_, index) => replicas[index] !== undefined);
}

/** The cells that accept the token. */
export async function findAcceptingCells(fleet: Fleet, token: string): Promise<string[]> {
  const answers = await Promise.all(
    CELLS.map((cellName) => replicasOf(fleet, cellName).verifyApiToken({ cellName, token })),
  );
  return CELLS.filter((_, index) => answers[index]?.verified !== undefined);
}

/** A token of its own. */
export async function createToken(fleet: Fleet, userId: string): Promise<{ token: string; tokenId: string }> {
  const answer = await fleet
    .client(UserService)
    .createApiToken({ userId, name: "test", scopes: ["project:read", "event:write"] });
  return { token: answer.token, tokenId: answer.apiToken?.id ?? "" };
}

/** Lets control look at which memberships were the last ones in a cell, as it does every few seconds. */
export async function settleCells(fleet: Fleet): Promise<void> {
  await until("nothing is unsettled", async () => {
    await fleet.control.tasks.runNow("user.settle-cells");
    return (await controlQuery(fleet, "select from control.user_cell where state <> 'KNOWN'")).length === 0;
  });
}

/** Runs SQL by hand in control. */
export function controlQuery<Row>(fleet: Fleet, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  return fleet.control.database("CONTROL").query<Row[]>(sql, parameters);
}

/** Resolves once control has nothing left to tell any cell. */
export async function untilTold(fleet: Fleet): Promise<void> {
  await until("cells were told everything", async () => {
    const rows = await controlQuery(
      fleet,
      "select from control.outbox union all select from control.outbox_held union all select from control.outbox_parked",
    );
    return rows.length === 0;
  });
}
