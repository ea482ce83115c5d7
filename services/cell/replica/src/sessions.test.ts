import { createHash } from "node:crypto";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { CellInboxService, Outcome } from "@cellway/gen/cellway/outbox/v1/outbox";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { SessionReplicaSchema, UserReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import { categoryOf } from "@cellway/outbox";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { replicaModule } from "./index.js";

const CELL = "us1";
const HOUR_MS = 3_600_000;

let fleet: Fleet;
let nowMs = Date.UTC(2026, 0, 1);
let nextId = 1_000;

beforeAll(async () => {
  fleet = await startFleet({ modules: [replicaModule], now: () => nowMs });
});
afterAll(() => fleet?.stop());

const newId = () => String(nextId++);

/** Delivers one message as control's outbox sends it, and answers what became of it. */
async function deliver<D extends DescMessage>(
  schema: D,
  key: { userId: string; objectId: string; version: number },
  content?: MessageInitShape<D>,
): Promise<string> {
  const message = {
    category: categoryOf(schema).number,
    shardId: key.userId,
    objectId: key.objectId,
    version: String(key.version),
    ...(content === undefined ? {} : { content: toBinary(schema, create(schema, content)) }),
  };
  const inbox = fleet.cell(CELL).rpc.client(CellInboxService);
  const { results } = await inbox.deliverToCell({ cellName: CELL, batch: { messages: [message], budgetMs: 5_000 } });
  const [result] = results;
  return result === undefined ? "nothing" : result.error || Outcome[result.outcome];
}

const tellUser = (userId: string, version: number, isActive = true) =>
  deliver(UserReplicaSchema, { userId, objectId: userId, version }, { username: "ada", displayName: "Ada", isActive });

/** Tells of a session of ten hours without use and a hundred in all; without a secret: that it is gone. */
function tellSession(userId: string, sessionId: string, version: number, secret?: string) {
  const content = {
    userId,
    tokenHash: new Uint8Array(
      createHash("sha256")
        .update(secret ?? "")
        .digest(),
    ),
    expiresAt: timestampFromMs(nowMs + 100 * HOUR_MS),
    idleExpiresAt: timestampFromMs(nowMs + 10 * HOUR_MS),
    idleTimeoutSeconds: 10 * 3_600,
  };
  const key = { userId, objectId: sessionId, version };
  return deliver(SessionReplicaSchema, key, secret === undefined ? undefined : content);
}

const verify = async (token: string) =>
  (await fleet.cell(CELL).rpc.client(ReplicaService).verifySession({ cellName: CELL, token })).verified;
const accepts = async (token: string) => (await verify(token)) !== undefined;

test("a session is accepted as long as the cell knows of it and of its active user, whichever came first", async () => {
  const [userId, sessionId] = [newId(), newId()];
  const secret = `cws_${sessionId}`;
  expect(await tellSession(userId, sessionId, 1, secret)).toBe("DELIVERED");
  expect(await accepts(secret)).toBe(false);
  await tellUser(userId, 2);
  expect(await verify(secret)).toMatchObject({ userId, sessionId, isUseDue: false });
  expect([await accepts(`${secret}x`), await accepts("")]).toEqual([false, false]);
  await tellUser(userId, 3, false);
  expect(await accepts(secret)).toBe(false);
});

test("a session is what the newest message says, in whatever order messages come and however often it is used between", async () => {
  const step = fc.record({ version: fc.integer({ min: 1, max: 8 }), isUsed: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
      const [userId, sessionId] = [newId(), newId()];
      const secret = `cws_${sessionId}`;
      await tellUser(userId, 1);
      // One version is one state.
      const isGone = (version: number) => version % 3 === 0;
      for (const { version, isUsed } of steps) {
        const told = await tellSession(userId, sessionId, version, isGone(version) ? undefined : secret);
        expect(told).toBe("DELIVERED");
        nowMs += 2 * HOUR_MS;
        if (isUsed) await accepts(secret);
        nowMs -= 2 * HOUR_MS;
      }
      const newest = Math.max(...steps.map(({ version }) => version));
      expect(await accepts(secret)).toBe(!isGone(newest));
    }),
    { numRuns: 25 },
  );
});

test("use moves the end of a session here, never beyond its absolute end, and says that control should hear of it", async () => {
  const [userId, sessionId] = [newId(), newId()];
  const secret = `cws_${sessionId}`;
  await tellUser(userId, 1);
  await tellSession(userId, sessionId, 2, secret);
  const startedAt = nowMs;
  for (nowMs += 9 * HOUR_MS; nowMs < startedAt + 100 * HOUR_MS; nowMs += 9 * HOUR_MS) {
    expect((await verify(secret))?.isUseDue).toBe(true);
  }
  nowMs = startedAt + 100 * HOUR_MS;
  expect(await accepts(secret)).toBe(false);
  nowMs = startedAt;
});

test("without use a session ends by the cell's own clock, and one that has ended is not begun again by a use", async () => {
  const [userId, sessionId] = [newId(), newId()];
  const secret = `cws_${sessionId}`;
  await tellUser(userId, 1);
  await tellSession(userId, sessionId, 2, secret);
  nowMs += 10 * HOUR_MS;
  expect([await accepts(secret), await accepts(secret)]).toEqual([false, false]);
});

test("a message that says no end, or has a hash that is none, is refused aloud and not stored", async () => {
  const [userId, sessionId] = [newId(), newId()];
  const key = { userId, objectId: sessionId, version: 1 };
  const tokenHash = new Uint8Array(32);
  const time = timestampFromMs(nowMs);
  const endless = { userId, tokenHash, idleExpiresAt: time, idleTimeoutSeconds: 1 };
  expect(await deliver(SessionReplicaSchema, key, endless)).toContain("CONTENT_INVALID");
  const short = { ...endless, expiresAt: time, tokenHash: new Uint8Array(31) };
  expect(await deliver(SessionReplicaSchema, key, short)).toContain("CONTENT_INVALID");
  const sql = "select from cell.session_replica where session_id = $1";
  expect(await fleet.cell(CELL).database("CELL").query(sql, [sessionId])).toEqual([]);
});

test("nothing but a version is kept of a session that has ended", async () => {
  const [userId, sessionId] = [newId(), newId()];
  await tellSession(userId, sessionId, 1, "cws_x");
  await tellSession(userId, sessionId, 2);
  const sql = `select user_id, token_hash, expires_at, idle_expires_at, idle_timeout_seconds, version::int
    from cell.session_replica where session_id = $1`;
  const [row] = await fleet.cell(CELL).database("CELL").query<Record<string, unknown>[]>(sql, [sessionId]);
  expect(row).toEqual({
    user_id: null,
    token_hash: null,
    expires_at: null,
    idle_expires_at: null,
    idle_timeout_seconds: null,
    version: 2,
  });
});
