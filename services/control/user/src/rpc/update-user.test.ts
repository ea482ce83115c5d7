import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { userModule } from "../index.js";
import { startDeletion } from "../store/user-deletion.js";
import { createTestUser, expectRefusal, type UserClient, verifyTestEmail } from "../test-support.js";

let fleet: Fleet;
let users: UserClient;

beforeAll(async () => {
  fleet = await startFleet({ modules: [userModule] });
  users = fleet.client(UserService);
}, 60_000);
afterAll(() => fleet.stop());

test("only the fields in the mask change", async () => {
  const before = await createTestUser(users);
  const { user } = await users.updateUser({
    userId: before.id,
    updateMask: { paths: ["display_name", "avatar_url"] },
    username: "not-in-the-mask",
    displayName: "Somebody",
    avatarUrl: "https://example.com/me.png",
    isStaff: true,
    isActive: false,
  });
  expect(user).toEqual({ ...before, displayName: "Somebody", avatarUrl: "https://example.com/me.png" });
  expect((await users.getUser({ userId: before.id })).user).toEqual(user);
});

test("every field can be changed, and changed back to nothing where nothing is allowed", async () => {
  const before = await createTestUser(users);
  await verifyTestEmail(users, before.id, before.emails[0]?.email ?? "");
  const paths = ["username", "display_name", "is_active", "is_staff", "avatar_url", "primary_email"];
  const { user } = await users.updateUser({
    userId: before.id,
    updateMask: { paths },
    username: "all-new",
    displayName: "All New",
    isActive: false,
    isStaff: true,
    avatarUrl: "https://example.com/a",
    primaryEmail: before.emails[0]?.email ?? "",
  });
  expect(user).toMatchObject({ username: "all-new", displayName: "All New", isActive: false, isStaff: true });
  const emptied = await users.updateUser({
    userId: before.id,
    updateMask: { paths: ["display_name", "avatar_url", "is_active"] },
    isActive: true,
  });
  expect(emptied.user).toMatchObject({ displayName: "all-new", avatarUrl: "", isActive: true });
});

test("a user without a display name shows its username, also a new one", async () => {
  const { id: userId } = await createTestUser(users);
  const { user } = await users.updateUser({ userId, updateMask: { paths: ["username"] }, username: "renamed" });
  expect(user?.displayName).toBe("renamed");
});

test("a username can change its case, and cannot become another user's", async () => {
  const { id: userId } = await createTestUser(users, { username: "case" });
  await createTestUser(users, { username: "other" });
  const updateMask = { paths: ["username", "is_staff"] };
  expect((await users.updateUser({ userId, updateMask, username: "CASE" })).user?.username).toBe("CASE");
  const taken = users.updateUser({ userId, updateMask, username: "Other", isStaff: true });
  await expectRefusal(taken, Code.AlreadyExists, "USERNAME_TAKEN", { username: "Other" });
  expect((await users.getUser({ userId })).user).toMatchObject({ username: "CASE", isStaff: false });
});

test("the primary email moves to a verified address, and to no other", async () => {
  const email = "second@example.com";
  const { id: userId } = await createTestUser(users, { username: "two-mails" });
  const request = { userId, updateMask: { paths: ["primary_email"] }, primaryEmail: "Second@example.com" };
  await expectRefusal(users.updateUser(request), Code.NotFound, "EMAIL_NOT_FOUND", { email });
  await users.addUserEmail({ userId, email });
  await expectRefusal(users.updateUser(request), Code.FailedPrecondition, "EMAIL_NOT_VERIFIED", { email });
  await verifyTestEmail(users, userId, email);
  const { user } = await users.updateUser(request);
  expect(user?.emails).toMatchObject([
    { email, isPrimary: true, isVerified: true },
    { email: "two-mails@example.com", isPrimary: false },
  ]);
  expect((await users.updateUser(request)).user).toEqual(user);
});

test("deactivating ends the sessions", async () => {
  const { id: userId } = await createTestUser(users);
  const versionOf = async () => Number((await users.flushSessions({ userId })).sessionVersion);
  const before = await versionOf();
  await users.updateUser({ userId, updateMask: { paths: ["is_active"] }, isActive: false });
  expect(await versionOf()).toBe(before + 2);
});

test("every flush of sessions answers a greater version and makes a new nonce", async () => {
  const { id: userId } = await createTestUser(users);
  const nonce = async () => {
    const rows = await fleet.control
      .database("CONTROL")
      .query<[{ session_nonce: string }]>("select session_nonce from control.user where id = $1", [userId]);
    return rows[0].session_nonce;
  };
  const before = await nonce();
  const first = await users.flushSessions({ userId });
  const second = await users.flushSessions({ userId });
  expect(Number(second.sessionVersion)).toBeGreaterThan(Number(first.sessionVersion));
  expect(await nonce()).not.toBe(before);
  await expectRefusal(users.flushSessions({ userId: "999999" }), Code.NotFound, "USER_NOT_FOUND", {
    user_id: "999999",
  });
});

test.each([
  ["update_mask", [], {}],
  ["update_mask", ["id"], {}],
  ["update_mask", ["username", "created_at"], { username: "x" }],
  ["username", ["username"], {}],
  ["username", ["username"], { username: "has space" }],
  ["primary_email", ["primary_email"], {}],
  ["avatar_url", ["avatar_url"], { avatarUrl: "http://example.com/a" }],
  ["avatar_url", ["avatar_url"], { avatarUrl: "javascript:alert(1)" }],
])("a wrong %s is refused by name: mask %j, %j", async (field, paths, values) => {
  const { id: userId } = await createTestUser(users);
  const call = users.updateUser({ userId, updateMask: { paths }, ...values });
  await expectRefusal(call, Code.InvalidArgument, "INVALID_FIELD", { field });
});

test("a reserved username, an unknown user and one that is being deleted are told apart", async () => {
  const { id: userId } = await createTestUser(users);
  const updateMask = { paths: ["username"] };
  await expectRefusal(
    users.updateUser({ userId, updateMask, username: "Support" }),
    Code.InvalidArgument,
    "USERNAME_RESERVED",
  );
  await expectRefusal(
    users.updateUser({ userId: "999999", updateMask, username: "x" }),
    Code.NotFound,
    "USER_NOT_FOUND",
  );
  await startDeletion(fleet.control.database("CONTROL"), { userId, isForced: false, now: new Date() });
  await expectRefusal(
    users.updateUser({ userId, updateMask, username: "x" }),
    Code.FailedPrecondition,
    "USER_PENDING_DELETION",
  );
});
