import { type User, UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { userModule } from "./index.js";
import { createTestUser, expectRefusal, type UserClient, verifyTestEmail } from "./test-support.js";

let fleet: Fleet;
let users: UserClient;
let known: User;

beforeAll(async () => {
  fleet = await startFleet({ modules: [userModule] });
  users = fleet.client(UserService);
  known = await createTestUser(users, { username: "Known" });
}, 60_000);
afterAll(() => fleet.stop());

test("GetUser finds nobody by an unknown id, and says so by leaving the user unset", async () => {
  expect((await users.getUser({ userId: "999999" })).user).toBeUndefined();
});

test("GetUser refuses an id that cannot be one", async () => {
  await expectRefusal(users.getUser({ userId: "0" }), Code.InvalidArgument, "INVALID_FIELD", { field: "user_id" });
});

test("BatchGetUsers answers ordered by id, each once, and leaves out who does not exist", async () => {
  const other = await createTestUser(users);
  const { users: found } = await users.batchGetUsers({ userIds: [other.id, "999999", known.id, other.id] });
  expect(found).toEqual([known, other]);
  expect((await users.batchGetUsers({ userIds: [] })).users).toEqual([]);
});

test("BatchGetUsers takes 200 ids and no more", async () => {
  const ids = Array.from({ length: 201 }, (_, i) => String(i + 1));
  await expect(users.batchGetUsers({ userIds: ids.slice(0, 200) })).resolves.toBeDefined();
  await expectRefusal(users.batchGetUsers({ userIds: ids }), Code.InvalidArgument, "INVALID_FIELD", {
    field: "user_ids",
  });
});

test("GetUserByUsername does not regard case, and an impossible username finds nobody", async () => {
  expect((await users.getUserByUsername({ username: "kNOWN" })).user).toEqual(known);
  expect((await users.getUserByUsername({ username: "known@example.com" })).user).toBeUndefined();
  expect((await users.getUserByUsername({ username: "%" })).user).toBeUndefined();
  const withNul = users.getUserByUsername({ username: "a\u0000" });
  await expectRefusal(withNul, Code.InvalidArgument, "INVALID_FIELD", { field: "username" });
});

test("ListUsersByEmail pages to the end by id, each user once", async () => {
  const expected: string[] = [];
  for (let i = 0; i < 5; i++) expected.push((await createTestUser(users, { email: "many@example.com" })).id);
  const found: string[] = [];
  const sizes: number[] = [];
  let pageToken = "";
  do {
    const page = await users.listUsersByEmail({ email: "Many@Example.com", pageSize: 2, pageToken });
    found.push(...page.users.map((user) => user.id));
    sizes.push(page.users.length);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(expected);
  expect(sizes).toEqual([2, 2, 1]);
});

test("ListUsersByEmail leaves out who has not verified the address, when asked to, and keeps the inactive", async () => {
  const email = "verified@example.com";
  const verified = await createTestUser(users, { email });
  const unverified = await createTestUser(users, { email });
  await verifyTestEmail(users, verified.id, email);
  await users.updateUser({ userId: verified.id, updateMask: { paths: ["is_active"] }, isActive: false });
  const all = await users.listUsersByEmail({ email });
  expect(all.users.map((user) => user.id)).toEqual([verified.id, unverified.id]);
  const some = await users.listUsersByEmail({ email, verifiedOnly: true });
  expect(some.users.map((user) => user.id)).toEqual([verified.id]);
});

test("ListUsersByEmail refuses a page token that it did not give out", async () => {
  const call = users.listUsersByEmail({ email: "many@example.com", pageToken: "nonsense!" });
  await expectRefusal(call, Code.InvalidArgument, "INVALID_FIELD", { field: "page_token" });
});

test("cells may look users up and verify tokens, and may do nothing else", async () => {
  const cell = fleet.cell("us1").rpc.client(UserService);
  const userId = known.id;
  const email = known.emails[0]?.email ?? "";
  expect((await cell.getUser({ userId })).user).toEqual(known);
  expect((await cell.batchGetUsers({ userIds: [userId] })).users).toEqual([known]);
  expect((await cell.listUsersByEmail({ email })).users).toEqual([known]);
  expect((await cell.getUserByUsername({ username: "known" })).user).toEqual(known);
  expect((await cell.getOrCreateUserByEmail({ email })).wasCreated).toBe(false);
  expect((await cell.verifyApiToken({ token: "cwu_x" })).verified).toBeUndefined();
  const refused = [
    cell.createUser({ username: "by-cell", email }),
    cell.updateUser({ userId, updateMask: { paths: ["is_staff"] }, isStaff: true }),
    cell.addUserEmail({ userId, email }),
    cell.removeUserEmail({ userId, email }),
    cell.requestEmailVerification({ userId, email }),
    cell.verifyEmail({ userId, email, token: "x" }),
    cell.listUserOrganizations({ userId }),
    cell.listUserCells({ userId }),
    cell.flushSessions({ userId }),
    cell.deleteUser({ userId }),
    cell.createApiToken({ userId, name: "by-cell" }),
    cell.listApiTokens({ userId }),
    cell.revokeApiToken({ userId, tokenId: "1" }),
  ];
  await Promise.all(refused.map((call) => expectRefusal(call, Code.PermissionDenied, "CALLER_NOT_ALLOWED")));
  expect((await users.getUser({ userId })).user).toEqual(known);
});
