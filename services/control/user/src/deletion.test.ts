import type { SiloDatabase } from "@cellway/database";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { userModule } from "./index.js";
import {
  cancelDeletion,
  completeDeletion,
  type DeletionAttempt,
  startDeletion,
  takeDeletions,
} from "./store/user-deletion.js";
import { createTestUser, expectRefusal, type UserClient } from "./test-support.js";

// What needs the directory and cells (DeleteUser from end to end, a cell that is down, a last owner) is in tests/.

let fleet: Fleet;
let users: UserClient;
let database: SiloDatabase;
let nowMs = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  fleet = await startFleet({ modules: [userModule], now: () => nowMs });
  users = fleet.client(UserService);
  database = fleet.control.database("CONTROL");
}, 60_000);
afterAll(() => fleet.stop());

async function start(userId: string, isForced = false): Promise<DeletionAttempt> {
  const deletion = await startDeletion(database, { userId, isForced, now: new Date(nowMs) });
  if (deletion === undefined) throw new Error("there is no such user");
  return deletion;
}

function cancel(deletion: DeletionAttempt): Promise<boolean> {
  return cancelDeletion(database, deletion, new Date(nowMs));
}

async function setActive(userId: string, isActive: boolean): Promise<void> {
  await users.updateUser({ userId, updateMask: { paths: ["is_active"] }, isActive });
}

async function isActive(userId: string): Promise<boolean | undefined> {
  return (await users.getUser({ userId })).user?.isActive;
}

test("deleting a user that does not exist is OK", async () => {
  expect(await users.deleteUser({ userId: "999999" })).toMatchObject({ wasDeleted: false });
});

test("when the directory cannot be asked, the user stays, inactive, logged out and pending deletion", async () => {
  const { id: userId } = await createTestUser(users);
  const { token } = await users.createApiToken({ userId, name: "laptop" });
  const { sessionVersion } = await users.flushSessions({ userId });
  await expect(users.deleteUser({ userId })).rejects.toMatchObject({ code: Code.Unimplemented });
  expect(await isActive(userId)).toBe(false);
  expect((await users.verifyApiToken({ token })).verified).toBeUndefined();
  expect(Number((await users.flushSessions({ userId })).sessionVersion)).toBe(Number(sessionVersion) + 2);
  await expectRefusal(
    users.addUserEmail({ userId, email: "x@example.com" }),
    Code.FailedPrecondition,
    "USER_PENDING_DELETION",
  );
});

test("a deleted user is gone with its addresses, tokens and the request that made it", async () => {
  const request = { username: "leaver", email: "leaver@example.com", requestId: "leave-1" };
  const { user } = await users.createUser(request);
  const userId = user?.id ?? "";
  const { token } = await users.createApiToken({ userId, name: "laptop" });
  await start(userId);
  expect(await completeDeletion(database, userId)).toBe("deleted");
  expect(await completeDeletion(database, userId)).toBe("absent");
  expect((await users.getUser({ userId })).user).toBeUndefined();
  expect((await users.listUsersByEmail({ email: "leaver@example.com" })).users).toEqual([]);
  expect((await users.verifyApiToken({ token })).verified).toBeUndefined();
  const again = await users.createUser(request);
  expect(Number(again.user?.id)).toBeGreaterThan(Number(userId));
});

test("a deletion that is given up leaves the user as active as it was", async () => {
  const { id: active } = await createTestUser(users);
  const { id: inactive } = await createTestUser(users);
  await setActive(inactive, false);
  for (const userId of [active, inactive]) expect(await cancel(await start(userId))).toBe(true);
  expect([await isActive(active), await isActive(inactive)]).toEqual([true, false]);
  expect(await completeDeletion(database, active)).toBe("cancelled");
  await setActive(inactive, true);
});

test("a repeated start remembers how active the user was before the first", async () => {
  const { id: userId } = await createTestUser(users);
  await start(userId);
  expect(await cancel(await start(userId))).toBe(true);
  expect(await isActive(userId)).toBe(true);
});

test("only the newest attempt can give a deletion up", async () => {
  const { id: userId } = await createTestUser(users);
  const older = await start(userId);
  const newer = await start(userId);
  expect(await cancel(older)).toBe(false);
  expect(await isActive(userId)).toBe(false);
  expect(await cancel(newer)).toBe(true);
});

test("force is never taken back: a later attempt without it is forced, and nobody can give it up", async () => {
  const { id: userId } = await createTestUser(users);
  expect((await start(userId)).isForced).toBe(false);
  expect((await start(userId, true)).isForced).toBe(true);
  const later = await start(userId);
  expect(later.isForced).toBe(true);
  expect(await cancel({ ...later, isForced: false })).toBe(false);
  expect(await completeDeletion(database, userId)).toBe("deleted");
});

test("of many deletions at once that reach the end, one deletes the user", async () => {
  const { id: userId } = await createTestUser(users);
  await Promise.all(Array.from({ length: 4 }, () => start(userId)));
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => completeDeletion(database, userId)));
  expect(outcomes.toSorted()).toEqual(["absent", "absent", "absent", "deleted"]);
});

test("pending deletions are taken longest waiting first, each by one taker, and not while somebody is at work", async () => {
  await database.query("delete from control.user_deletion");
  const userIds: string[] = [];
  for (let i = 0; i < 6; i++) {
    const { id } = await createTestUser(users);
    await start(id);
    userIds.push(id);
    nowMs += 1_000;
  }
  const now = new Date(nowMs);
  const take = (limit: number, before: Date) => takeDeletions(database, { limit, before, now });
  expect((await take(2, new Date(nowMs - 3_000))).map(({ userId }) => userId)).toEqual(userIds.slice(0, 2));
  const taken = (await Promise.all([take(3, now), take(3, now)])).flat();
  expect(taken.map(({ userId }) => userId).toSorted()).toEqual(userIds.slice(2).toSorted());
  expect(await take(10, now)).toEqual([]);
  expect(taken.every(({ attempt }) => attempt === "2")).toBe(true);
});

test("the task tries every pending deletion, and logs the one it cannot complete", async () => {
  await database.query("delete from control.user_deletion");
  const { id: one } = await createTestUser(users);
  const { id: other } = await createTestUser(users);
  await start(one);
  await start(other);
  const linesOf = (userId: string) =>
    fleet.control.log.filter((line) => line.includes("pending deletion") && line.includes(`"${userId}"`));
  await fleet.control.tasks.runNow("user.finish-deletions");
  expect(linesOf(one)).toHaveLength(0);
  nowMs += 60_000;
  await fleet.control.tasks.runNow("user.finish-deletions");
  expect([linesOf(one).length, linesOf(other).length]).toEqual([1, 1]);
  expect(await isActive(one)).toBe(false);
});
