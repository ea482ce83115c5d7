import { createHash } from "node:crypto";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { IntegrationStatus } from "@cellway/gen/cellway/integration/v1/integration";
import {
  IntegrationReplicaSchema,
  OrganizationIntegrationReplicaSchema,
} from "@cellway/gen/cellway/integration/v1/replicas";
import { CellInboxService, Outcome } from "@cellway/gen/cellway/outbox/v1/outbox";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { ApiTokenReplicaSchema, UserReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import { categoryOf } from "@cellway/outbox";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { replicaModule } from "./index.js";

const CELL = "us1";
const CREATED = { seconds: 1_750_000_000n };

let fleet: Fleet;
let nextId = 1_000;

beforeAll(async () => {
  fleet = await startFleet({ modules: [replicaModule] });
});
afterAll(() => fleet?.stop());

const replicas = () => fleet.cell(CELL).rpc.client(ReplicaService);
const newId = () => String(nextId++);
const hashOf = (token: string) => new Uint8Array(createHash("sha256").update(token).digest());

/** A message as control's outbox sends it. */
function message<D extends DescMessage>(
  schema: D,
  { objectId, version, shardId = objectId }: { objectId: string; version: number; shardId?: string },
  content?: MessageInitShape<D>,
) {
  return {
    category: categoryOf(schema).number,
    shardId,
    objectId,
    version: String(version),
    ...(content === undefined ? {} : { content: toBinary(schema, create(schema, content)) }),
  };
}

/** Delivers messages, in this order, and answers what became of each. */
async function deliver(...messages: ReturnType<typeof message>[]): Promise<string[]> {
  const inbox = fleet.cell(CELL).rpc.client(CellInboxService);
  const { results } = await inbox.deliverToCell({ cellName: CELL, batch: { messages, budgetMs: 5_000 } });
  return results.map(({ outcome, error }) => (error === "" ? Outcome[outcome] : error));
}

const user = (userId: string, version: number, name?: string, isActive = true) =>
  message(
    UserReplicaSchema,
    { objectId: userId, version },
    name === undefined ? undefined : { username: name, displayName: name, isActive },
  );

const token = (userId: string, tokenId: string, version: number, secret?: string) =>
  message(
    ApiTokenReplicaSchema,
    { objectId: tokenId, version, shardId: userId },
    secret === undefined ? undefined : { userId, tokenHash: hashOf(secret), scopes: ["project:read"] },
  );

async function nameOf(userId: string): Promise<string | undefined> {
  return (await replicas().batchGetUsers({ cellName: CELL, userIds: [userId] })).users[0]?.username;
}

async function accepts(secret: string): Promise<boolean> {
  return (await replicas().verifyApiToken({ cellName: CELL, token: secret })).verified !== undefined;
}

describe("a user", () => {
  test("is what the newest message says, however often and in whatever order messages come", async () => {
    const state = fc.record({ version: fc.integer({ min: 1, max: 8 }), isRemoved: fc.boolean() });
    const isSame = (version: number) => version % 3 === 0;
    await fc.assert(
      fc.asyncProperty(fc.array(state, { minLength: 1, maxLength: 12 }), async (states) => {
        const userId = newId();
        // One version is one state.
        const names = states.map(({ version }) => (isSame(version) ? undefined : `name-${version}`));
        for (const [index, { version }] of states.entries()) {
          expect(await deliver(user(userId, version, names[index]))).toEqual(["DELIVERED"]);
        }
        const newest = Math.max(...states.map(({ version }) => version));
        expect(await nameOf(userId)).toBe(isSame(newest) ? undefined : `name-${newest}`);
      }),
      { numRuns: 25 },
    );
  });

  test("that is gone is not brought back by an older state, also when the cell never knew it", async () => {
    const userId = newId();
    expect(await deliver(user(userId, 9), user(userId, 8, "late"))).toEqual(["DELIVERED", "DELIVERED"]);
    expect(await nameOf(userId)).toBeUndefined();
    await deliver(user(userId, 10, "back"));
    expect(await nameOf(userId)).toBe("back");
  });

  test("is answered with when the cell was last told of it", async () => {
    const userId = newId();
    await deliver(user(userId, 1, "ada"));
    const { users } = await replicas().batchGetUsers({ cellName: CELL, userIds: [userId, userId, newId()] });
    expect(users).toHaveLength(1);
    expect(Math.abs(Number(users[0]?.asOf?.seconds) - Date.now() / 1_000)).toBeLessThan(600);
  });
});

describe("a token", () => {
  test("is accepted as long as the cell knows of it and of its active user", async () => {
    const [userId, tokenId] = [newId(), newId()];
    const secret = `cwu_${tokenId}`;
    await deliver(token(userId, tokenId, 1, secret));
    expect(await accepts(secret)).toBe(false);
    await deliver(user(userId, 2, "ada"));
    expect([await accepts(secret), await accepts(`${secret}x`), await accepts("")]).toEqual([true, false, false]);
    await deliver(user(userId, 3, "ada", false));
    expect(await accepts(secret)).toBe(false);
    await deliver(user(userId, 4, "ada"));
    expect(await accepts(secret)).toBe(true);
    await deliver(user(userId, 5));
    expect(await accepts(secret)).toBe(false);
  });

  test("that was revoked stays refused when an older state comes late", async () => {
    const [userId, tokenId] = [newId(), newId()];
    const secret = `cwu_${tokenId}`;
    await deliver(user(userId, 1, "ada"), token(userId, tokenId, 2, secret), token(userId, tokenId, 4));
    expect(await deliver(token(userId, tokenId, 2, secret), token(userId, tokenId, 3, secret))).toEqual([
      "DELIVERED",
      "DELIVERED",
    ]);
    expect(await accepts(secret)).toBe(false);
  });

  test("with a hash that is none is refused aloud, and not stored", async () => {
    const [userId, tokenId] = [newId(), newId()];
    const wrong = message(
      ApiTokenReplicaSchema,
      { objectId: tokenId, version: 1, shardId: userId },
      { userId, tokenHash: new Uint8Array(31) },
    );
    expect(await deliver(wrong)).toEqual(["CONTENT_INVALID: it breaks bytes.len"]);
    const rows = await fleet
      .cell(CELL)
      .database("CELL")
      .query("select from cell.api_token_replica where token_id = $1", [tokenId]);
    expect(rows).toEqual([]);
  });

  test("leaves only its hash in the cell", async () => {
    const [userId, tokenId] = [newId(), newId()];
    const secret = `cwu_secret_${tokenId}`;
    await deliver(user(userId, 1, "ada"), token(userId, tokenId, 2, secret));
    const rows = await fleet
      .cell(CELL)
      .database("CELL")
      .query("select t::text as row from cell.api_token_replica t where token_id = $1", [tokenId]);
    expect([JSON.stringify(rows).includes(tokenId), JSON.stringify(rows).includes(secret)]).toEqual([true, false]);
  });
});

describe("the integrations of an organization", () => {
  const installation = (organizationId: string, id: string, version: number, integrationId?: string) =>
    message(
      OrganizationIntegrationReplicaSchema,
      { objectId: id, version, shardId: organizationId },
      integrationId === undefined
        ? undefined
        : {
            organizationId,
            integrationId,
            config: { version },
            status: IntegrationStatus.ACTIVE,
            createdAt: CREATED,
            updatedAt: CREATED,
          },
    );
  const integration = (integrationId: string, version: number) =>
    message(
      IntegrationReplicaSchema,
      { objectId: integrationId, version },
      {
        provider: "github",
        externalId: integrationId,
        name: "acme",
        status: IntegrationStatus.ACTIVE,
        createdAt: CREATED,
        updatedAt: CREATED,
      },
    );
  const list = async (organizationId: string, pageSize = 0, pageToken = "") =>
    replicas().listOrganizationIntegrations({ organizationId, pageSize, pageToken });

  test("are listed page by page, each with its integration once the cell knows it", async () => {
    const [organizationId, integrationId] = [newId(), newId()];
    const ids = [newId(), newId(), newId()];
    await deliver(...ids.map((id, index) => installation(organizationId, id, index + 1, integrationId)));
    const first = await list(organizationId, 2);
    expect(first.integrations.map((each) => each.integration)).toEqual([undefined, undefined]);
    await deliver(integration(integrationId, 1));
    const second = await list(organizationId, 2, first.nextPageToken);
    expect(second.nextPageToken).toBe("");
    expect(second.integrations[0]).toMatchObject({
      organizationIntegration: { id: ids[2], integrationId, config: { version: 3 } },
      integration: { id: integrationId, provider: "github", name: "acme" },
    });
  });

  test("are those of the newest messages, and one that was removed stays so", async () => {
    const [organizationId, id, integrationId] = [newId(), newId(), newId()];
    await deliver(
      installation(organizationId, id, 5, integrationId),
      installation(organizationId, id, 4, integrationId),
    );
    expect((await list(organizationId)).integrations[0]?.organizationIntegration?.config).toEqual({ version: 5 });
    await deliver(installation(organizationId, id, 7), installation(organizationId, id, 6, integrationId));
    expect((await list(organizationId)).integrations).toEqual([]);
  });
});
