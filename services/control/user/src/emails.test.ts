import { timestampMs } from "@bufbuild/protobuf/wkt";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { userModule } from "./index.js";
import { createTestUser, expectRefusal, type UserClient, verifyTestEmail } from "./test-support.js";

const DAY_MS = 24 * 60 * 60 * 1000;

let fleet: Fleet;
let users: UserClient;
let nowMs = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  fleet = await startFleet({ modules: [userModule], now: () => nowMs });
  users = fleet.client(UserService);
}, 60_000);
afterAll(() => fleet.stop());

test("an added address is not verified and not primary, and adding it again changes nothing", async () => {
  const user = await createTestUser(users, { username: "adder" });
  const first = await users.addUserEmail({ userId: user.id, email: "New@Example.com" });
  expect(first.user?.emails).toMatchObject([
    { email: "adder@example.com", isPrimary: true },
    { email: "new@example.com", isPrimary: false, isVerified: false },
  ]);
  await verifyTestEmail(users, user.id, "new@example.com");
  const again = await users.addUserEmail({ userId: user.id, email: "new@example.com" });
  expect(again.user?.emails[1]).toMatchObject({ email: "new@example.com", isVerified: true });
});

test("a user has at most 20 addresses, also when they are added at once", async () => {
  const { id: userId } = await createTestUser(users);
  const calls = Array.from({ length: 22 }, (_, i) => users.addUserEmail({ userId, email: `n${i}@example.com` }));
  const results = await Promise.allSettled(calls);
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(19);
  expect((await users.getUser({ userId })).user?.emails).toHaveLength(20);
  await expectRefusal(
    users.addUserEmail({ userId, email: "more@example.com" }),
    Code.ResourceExhausted,
    "EMAIL_LIMIT",
    { limit: "20" },
  );
});

test("an address can be removed, again without effect, but not the primary one", async () => {
  const user = await createTestUser(users, { username: "remover" });
  const request = { userId: user.id, email: "Spare@example.com" };
  await users.addUserEmail(request);
  expect((await users.removeUserEmail(request)).user).toEqual(user);
  expect((await users.removeUserEmail(request)).user).toEqual(user);
  const primary = users.removeUserEmail({ userId: user.id, email: "remover@example.com" });
  await expectRefusal(primary, Code.FailedPrecondition, "EMAIL_IS_PRIMARY");
});

test("the token of an address verifies it; the same token again succeeds and changes nothing", async () => {
  const user = await createTestUser(users, { username: "prover" });
  const request = { userId: user.id, email: "Prover@example.com" };
  const { token, expiresAt } = await users.requestEmailVerification(request);
  expect(expiresAt && timestampMs(expiresAt)).toBe(nowMs + DAY_MS);
  const verified = await users.verifyEmail({ ...request, token });
  expect(verified.user?.emails).toMatchObject([{ email: "prover@example.com", isVerified: true, isPrimary: true }]);
  expect(await users.verifyEmail({ ...request, token })).toEqual(verified);
  await expectRefusal(users.requestEmailVerification(request), Code.FailedPrecondition, "EMAIL_ALREADY_VERIFIED");
});

test("a token that was replaced, made up, or made for another address or user verifies nothing", async () => {
  const user = await createTestUser(users);
  const email = user.emails[0]?.email ?? "";
  const other = await createTestUser(users, { email });
  await users.addUserEmail({ userId: user.id, email: "elsewhere@example.com" });
  const replaced = await users.requestEmailVerification({ userId: user.id, email });
  const { token } = await users.requestEmailVerification({ userId: user.id, email });
  await users.requestEmailVerification({ userId: other.id, email });
  const wrong = [
    { userId: user.id, email, token: replaced.token },
    { userId: user.id, email, token: "made-up" },
    { userId: user.id, email: "elsewhere@example.com", token },
    { userId: user.id, email: "unknown@example.com", token },
    { userId: other.id, email, token },
    { userId: "999999", email, token },
  ];
  for (const request of wrong) {
    await expectRefusal(users.verifyEmail(request), Code.InvalidArgument, "VERIFICATION_TOKEN_INVALID", {
      field: "token",
    });
  }
  for (const userId of [user.id, other.id]) {
    const found = await users.getUser({ userId });
    expect(found.user?.emails.some((one) => one.isVerified)).toBe(false);
  }
});

test("a token works until it expires and not a moment longer", async () => {
  const { id: userId, emails } = await createTestUser(users);
  const request = { userId, email: emails[0]?.email ?? "" };
  const { token } = await users.requestEmailVerification(request);
  nowMs += DAY_MS;
  await expectRefusal(users.verifyEmail({ ...request, token }), Code.FailedPrecondition, "VERIFICATION_TOKEN_EXPIRED");
  nowMs -= 1;
  expect((await users.verifyEmail({ ...request, token })).user?.emails[0]?.isVerified).toBe(true);
});

test("a token of a removed address does not verify the address when it is added again", async () => {
  const { id: userId } = await createTestUser(users);
  const request = { userId, email: "back@example.com" };
  await users.addUserEmail(request);
  const { token } = await users.requestEmailVerification(request);
  await users.removeUserEmail(request);
  await users.addUserEmail(request);
  await expectRefusal(users.verifyEmail({ ...request, token }), Code.InvalidArgument, "VERIFICATION_TOKEN_INVALID");
});

test("a verification needs a user and one of its addresses", async () => {
  const { id: userId } = await createTestUser(users);
  const email = "not-mine@example.com";
  await expectRefusal(users.requestEmailVerification({ userId, email }), Code.NotFound, "EMAIL_NOT_FOUND", { email });
  await expectRefusal(users.requestEmailVerification({ userId: "999999", email }), Code.NotFound, "USER_NOT_FOUND");
});

test("the database holds no verification token", async () => {
  const { id: userId, emails } = await createTestUser(users);
  const { token } = await users.requestEmailVerification({ userId, email: emails[0]?.email ?? "" });
  const rows = await fleet.control
    .database("CONTROL")
    .query("select row_to_json(e) as row from control.user_email e where user_id = $1", [userId]);
  expect(JSON.stringify(rows)).not.toContain(token);
  expect(fleet.control.log.join("\n")).not.toContain(token);
});
