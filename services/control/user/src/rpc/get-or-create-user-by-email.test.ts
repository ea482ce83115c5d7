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

async function deactivate(userId: string): Promise<void> {
  await users.updateUser({ userId, updateMask: { paths: ["is_active"] }, isActive: false });
}

test("an unknown address makes a user whose name comes from it; a known one, in any case, finds that user", async () => {
  const first = await users.getOrCreateUserByEmail({ email: "Ada.Lovelace+x@Example.com", displayName: "Ada" });
  expect(first.wasCreated).toBe(true);
  expect(first.user).toMatchObject({ username: "ada.lovelace-x", displayName: "Ada", isActive: true });
  expect(first.user?.emails).toMatchObject([
    { email: "ada.lovelace+x@example.com", isVerified: false, isPrimary: true },
  ]);
  const again = await users.getOrCreateUserByEmail({ email: "ada.lovelace+X@example.com", displayName: "Other" });
  expect(again).toMatchObject({ wasCreated: false, user: first.user });
});

test("many calls at once, from control and from cells, create one user", async () => {
  const cells = ["us1", "us2", "de1"].map((name) => fleet.cell(name).rpc.client(UserService));
  const clients = [users, ...cells, users, ...cells];
  const answers = await Promise.all(
    clients.map((client) => client.getOrCreateUserByEmail({ email: "crowd@example.com" })),
  );
  expect(new Set(answers.map(({ user }) => user?.id)).size).toBe(1);
  expect(answers.filter(({ wasCreated }) => wasCreated)).toHaveLength(1);
  expect((await users.listUsersByEmail({ email: "crowd@example.com" })).users).toHaveLength(1);
});

test("users whose addresses begin alike get different usernames, also at once", async () => {
  const hosts = ["a.com", "b.com", "c.com", "d.com"];
  const answers = await Promise.all(hosts.map((host) => users.getOrCreateUserByEmail({ email: `alike@${host}` })));
  const names = answers.map(({ user }) => user?.username ?? "");
  expect(new Set(names).size).toBe(4);
  expect(names).toContain("alike");
  for (const name of names) expect(name).toMatch(/^alike(-[0-9a-f]{8})?$/);
});

test.each([
  ["123@example.com", /^user-123$/],
  ["!!!@example.com", /^user$|^user-[0-9a-f]{8}$/],
  ["admin@example.com", /^admin-[0-9a-f]{8}$/],
  ["_x_@example.com", /^x$/],
  [`${"long".repeat(16)}@example.com`, /^(long){12}lo$/],
])("the username of %s can be one", async (email, expected) => {
  const { user } = await users.getOrCreateUserByEmail({ email });
  expect(user?.username).toMatch(expected);
});

test("of several users an active one comes first, then who verified the address, then the oldest", async () => {
  const email = "several@example.com";
  const oldest = await createTestUser(users, { email });
  const verified = await createTestUser(users, { email });
  await createTestUser(users, { email });
  const find = async () => (await users.getOrCreateUserByEmail({ email })).user?.id;
  expect(await find()).toBe(oldest.id);
  await verifyTestEmail(users, verified.id, email);
  expect(await find()).toBe(verified.id);
  await deactivate(verified.id);
  expect(await find()).toBe(oldest.id);
});

test("an inactive user is answered when no active one has the address, and no second is made", async () => {
  const user = await createTestUser(users, { email: "inactive@example.com" });
  await deactivate(user.id);
  const answer = await users.getOrCreateUserByEmail({ email: "inactive@example.com" });
  expect(answer).toMatchObject({ wasCreated: false, user: { id: user.id, isActive: false } });
});

test("a user that is being deleted is not found: a new one is made", async () => {
  const user = await createTestUser(users, { email: "leaving@example.com" });
  await startDeletion(fleet.control.database("CONTROL"), { userId: user.id, isForced: false, now: new Date() });
  const answer = await users.getOrCreateUserByEmail({ email: "leaving@example.com" });
  expect(answer.wasCreated).toBe(true);
  expect(answer.user?.id).not.toBe(user.id);
});

test("what is no address is refused", async () => {
  const call = users.getOrCreateUserByEmail({ email: "nobody" });
  await expectRefusal(call, Code.InvalidArgument, "INVALID_FIELD", { field: "email" });
});
