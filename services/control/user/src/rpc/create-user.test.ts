import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { userModule } from "../index.js";
import { expectRefusal, type UserClient } from "../test-support.js";

let fleet: Fleet;
let users: UserClient;

beforeAll(async () => {
  fleet = await startFleet({ modules: [userModule] });
  users = fleet.client(UserService);
}, 60_000);
afterAll(() => fleet.stop());

test("a new user is active and has one address, primary, unverified and in lower case", async () => {
  const { user } = await users.createUser({ username: "Ada.L", email: "Ada@Example.COM" });
  expect(user).toMatchObject({
    username: "Ada.L",
    displayName: "Ada.L",
    isActive: true,
    isStaff: false,
    avatarUrl: "",
  });
  expect(user?.emails).toMatchObject([{ email: "ada@example.com", isVerified: false, isPrimary: true }]);
  expect(user?.createdAt).toBeDefined();
  expect((await users.getUser({ userId: user?.id ?? "" })).user).toEqual(user);
});

test("two users may have the same address", async () => {
  const one = await users.createUser({ username: "shared-1", email: "shared@example.com" });
  const other = await users.createUser({ username: "shared-2", email: "shared@example.com" });
  expect(one.user?.id).not.toBe(other.user?.id);
});

test("a username is unique without regard to case", async () => {
  await users.createUser({ username: "Grace", email: "grace@example.com" });
  const again = users.createUser({ username: "gRACE", email: "other@example.com" });
  await expectRefusal(again, Code.AlreadyExists, "USERNAME_TAKEN", { username: "gRACE" });
  expect((await users.listUsersByEmail({ email: "other@example.com" })).users).toEqual([]);
});

test("of many users at once with one username, one is created", async () => {
  const calls = Array.from({ length: 8 }, (_, i) =>
    users.createUser({ username: "race", email: `race${i}@example.com` }),
  );
  const results = await Promise.allSettled(calls);
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  for (const call of calls.filter((_, i) => results[i]?.status === "rejected")) {
    await expectRefusal(call, Code.AlreadyExists, "USERNAME_TAKEN");
  }
});

test("the same request again answers with the same user, also after that was renamed", async () => {
  const request = { username: "linus", email: "linus@example.com", displayName: "Linus", requestId: "req-1" };
  const first = await users.createUser(request);
  expect(await users.createUser({ ...request, email: "LINUS@example.com" })).toEqual(first);
  await users.updateUser({ userId: first.user?.id ?? "", updateMask: { paths: ["username"] }, username: "linus-t" });
  expect((await users.createUser(request)).user).toMatchObject({ id: first.user?.id, username: "linus-t" });
});

test("of many repetitions at once of a request, all answer with the one user", async () => {
  const request = { username: "bjarne", email: "bjarne@example.com", requestId: "req-2" };
  const answers = await Promise.all(Array.from({ length: 8 }, () => users.createUser(request)));
  expect(new Set(answers.map(({ user }) => user?.id)).size).toBe(1);
});

test("a request id cannot be used for other content", async () => {
  await users.createUser({ username: "ken", email: "ken@example.com", requestId: "req-3" });
  const other = users.createUser({ username: "ken", email: "ken@example.org", requestId: "req-3" });
  await expectRefusal(other, Code.InvalidArgument, "REQUEST_ID_REUSED", { field: "request_id" });
});

test("a request that failed leaves its id free", async () => {
  await users.createUser({ username: "dennis", email: "dennis@example.com" });
  const taken = users.createUser({ username: "dennis", email: "dennis@example.com", requestId: "req-4" });
  await expectRefusal(taken, Code.AlreadyExists, "USERNAME_TAKEN");
  const { user } = await users.createUser({ username: "dennis-r", email: "dennis@example.com", requestId: "req-4" });
  expect(user?.username).toBe("dennis-r");
});

test.each(["", "-a", "a-", ".a", "123", "1.2", "a b", "ä", "a@b", "x".repeat(65), "a\u0000b"])(
  "%j is not a username",
  async (username) => {
    const call = users.createUser({ username, email: "nobody@example.com" });
    await expectRefusal(call, Code.InvalidArgument, "INVALID_FIELD", { field: "username" });
  },
);

test.each(["a", "1a", "1-a", "a.b_c-D9", "x".repeat(64)])("%j is a username", async (username) => {
  expect((await users.createUser({ username, email: "somebody@example.com" })).user?.username).toBe(username);
});

test.each(["admin", "Root", "CELLWAY"])("%s is reserved", async (username) => {
  const call = users.createUser({ username, email: "nobody@example.com" });
  await expectRefusal(call, Code.InvalidArgument, "USERNAME_RESERVED", { field: "username" });
});

test.each([
  ["email", { email: "no address" }],
  ["email", { email: "" }],
  ["email", { email: `${"x".repeat(250)}@example.com` }],
  ["display_name", { displayName: "x".repeat(101) }],
  ["display_name", { displayName: "a\u0000b" }],
  ["request_id", { requestId: "has space" }],
])("a wrong %s is refused by name: %j", async (field, wrong) => {
  const call = users.createUser({ username: "wrong", email: "wrong@example.com", ...wrong });
  await expectRefusal(call, Code.InvalidArgument, "INVALID_FIELD", { field });
});
