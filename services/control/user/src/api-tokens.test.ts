import { createHash } from "node:crypto";
import { toJsonString } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { ListApiTokensResponseSchema, UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { userModule } from "./index.js";
import { startDeletion } from "./store/user-deletion.js";
import { createTestUser, expectRefusal, type UserClient } from "./test-support.js";

const MINUTE_MS = 60_000;

let fleet: Fleet;
let users: UserClient;
let nowMs = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  fleet = await startFleet({ modules: [userModule], now: () => nowMs });
  users = fleet.client(UserService);
}, 60_000);
afterAll(() => fleet.stop());

async function createToken(userId: string, expiresAtMs?: number) {
  const expiry = expiresAtMs === undefined ? {} : { expiresAt: timestampFromMs(expiresAtMs) };
  const { token, apiToken } = await users.createApiToken({
    userId,
    name: "laptop",
    scopes: ["project:write", "org:read"],
    ...expiry,
  });
  if (apiToken === undefined) throw new Error("CreateApiToken answered no token.");
  return { token, apiToken };
}

async function verify(token: string) {
  return (await users.verifyApiToken({ token })).verified;
}

test("a new token is recognisable, says whom it speaks for and what it allows, and is verified by cells too", async () => {
  const { id: userId } = await createTestUser(users);
  const { token, apiToken } = await createToken(userId);
  expect(token).toMatch(/^cwu_[A-Za-z0-9_-]{43}$/);
  expect(apiToken).toMatchObject({
    userId,
    name: "laptop",
    scopes: ["org:read", "project:write"],
    lastCharacters: token.slice(-4),
  });
  expect(apiToken.expiresAt).toBeUndefined();
  expect(await verify(token)).toMatchObject({ userId, tokenId: apiToken.id, scopes: ["org:read", "project:write"] });
  const cell = fleet.cell("de1").rpc.client(UserService);
  expect((await cell.verifyApiToken({ token })).verified?.userId).toBe(userId);
});

test("the database and the log hold no token, only its hash", async () => {
  const { id: userId } = await createTestUser(users);
  const { token, apiToken } = await createToken(userId);
  await verify(token);
  const query =
    "select encode(token_hash, 'hex') as hash, row_to_json(t)::text as row from control.api_token t where id = $1";
  const [row] = await fleet.control.database("CONTROL").query<[{ hash: string; row: string }]>(query, [apiToken.id]);
  expect(row.hash).toBe(createHash("sha256").update(token).digest("hex"));
  expect(row.row).not.toContain(token.slice(4));
  expect(fleet.control.log.join("\n")).not.toContain(token.slice(4));
  const listed = await users.listApiTokens({ userId });
  expect(toJsonString(ListApiTokensResponseSchema, listed)).not.toContain(token.slice(4, -4));
});

test.each(["", "cwu_", "nonsense", `cwu_${"A".repeat(43)}`, `cwu_${"A".repeat(44)}`, `xxx_${"A".repeat(43)}`])(
  "%j speaks for nobody",
  async (token) => {
    expect(await verify(token)).toBeUndefined();
  },
);

test("a token works until it expires and not a moment longer", async () => {
  const { id: userId } = await createTestUser(users);
  const { token } = await createToken(userId, nowMs + MINUTE_MS);
  nowMs += MINUTE_MS - 1;
  const verified = await verify(token);
  expect(verified?.expiresAt && timestampMs(verified.expiresAt)).toBe(nowMs + 1);
  nowMs += 1;
  expect(await verify(token)).toBeUndefined();
  expect((await users.listApiTokens({ userId })).apiTokens).toHaveLength(1);
});

test("a revoked token is not accepted; revoking it again, or one of another user, changes nothing", async () => {
  const { id: userId } = await createTestUser(users);
  const { id: otherId } = await createTestUser(users);
  const { token, apiToken } = await createToken(userId);
  await users.revokeApiToken({ userId: otherId, tokenId: apiToken.id });
  expect(await verify(token)).toBeDefined();
  await users.revokeApiToken({ userId, tokenId: apiToken.id });
  await users.revokeApiToken({ userId, tokenId: apiToken.id });
  expect(await verify(token)).toBeUndefined();
  expect((await users.listApiTokens({ userId })).apiTokens).toEqual([]);
});

test("a token of an inactive user is not accepted until the user is active again", async () => {
  const { id: userId } = await createTestUser(users);
  const { token } = await createToken(userId);
  const setActive = (isActive: boolean) => users.updateUser({ userId, updateMask: { paths: ["is_active"] }, isActive });
  await setActive(false);
  expect(await verify(token)).toBeUndefined();
  await expectRefusal(users.createApiToken({ userId, name: "more" }), Code.FailedPrecondition, "USER_INACTIVE");
  await setActive(true);
  expect(await verify(token)).toBeDefined();
});

test("ending the sessions of a user leaves its tokens", async () => {
  const { id: userId } = await createTestUser(users);
  const { token } = await createToken(userId);
  await users.flushSessions({ userId });
  expect(await verify(token)).toBeDefined();
});

test("the last use is noted, at most once a minute, also when many come at once", async () => {
  const { id: userId } = await createTestUser(users);
  const { token, apiToken } = await createToken(userId);
  const lastUsedMs = async () => {
    const listed = (await users.listApiTokens({ userId })).apiTokens[0]?.lastUsedAt;
    return listed === undefined ? undefined : timestampMs(listed);
  };
  const version = async () => {
    const rows = await fleet.control
      .database("CONTROL")
      .query<[{ v: string }]>("select xmin::text as v from control.api_token where id = $1", [apiToken.id]);
    return rows[0].v;
  };
  expect(await lastUsedMs()).toBeUndefined();
  const firstUseMs = nowMs;
  await verify(token);
  expect(await lastUsedMs()).toBe(firstUseMs);
  const written = await version();
  nowMs += MINUTE_MS;
  await Promise.all(Array.from({ length: 5 }, () => verify(token)));
  expect({ at: await lastUsedMs(), version: await version() }).toEqual({ at: firstUseMs, version: written });
  nowMs += 1;
  await Promise.all(Array.from({ length: 5 }, () => verify(token)));
  expect(await lastUsedMs()).toBe(nowMs);
});

test("tokens are listed by id to the last page, those of one user only", async () => {
  const { id: userId } = await createTestUser(users);
  const { id: otherId } = await createTestUser(users);
  const expected: string[] = [];
  for (let i = 0; i < 3; i++) {
    expected.push((await createToken(userId)).apiToken.id);
    await createToken(otherId);
  }
  const first = await users.listApiTokens({ userId, pageSize: 2 });
  const second = await users.listApiTokens({ userId, pageSize: 2, pageToken: first.nextPageToken });
  expect([...first.apiTokens, ...second.apiTokens].map((token) => token.id)).toEqual(expected);
  expect(second.nextPageToken).toBe("");
  const wrong = users.listApiTokens({ userId, pageToken: "nonsense!" });
  await expectRefusal(wrong, Code.InvalidArgument, "INVALID_FIELD", { field: "page_token" });
  expect((await users.listApiTokens({ userId: "999999" })).apiTokens).toEqual([]);
});

test("a user has at most 100 tokens, and may have another once one is revoked", async () => {
  const { id: userId } = await createTestUser(users);
  const results = await Promise.allSettled(Array.from({ length: 102 }, () => createToken(userId)));
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(100);
  await expectRefusal(createToken(userId), Code.ResourceExhausted, "API_TOKEN_LIMIT", { limit: "100" });
  const [first] = (await users.listApiTokens({ userId, pageSize: 1 })).apiTokens;
  await users.revokeApiToken({ userId, tokenId: first?.id ?? "" });
  await expect(createToken(userId)).resolves.toBeDefined();
});

test.each([
  ["name", { name: "" }],
  ["name", { name: "x".repeat(101) }],
  ["scopes", { scopes: ["a", "a"] }],
  ["scopes[0]", { scopes: ["Org:Read"] }],
  ["scopes", { scopes: Array.from({ length: 51 }, (_, i) => `s${i}`) }],
  ["expires_at", { expiresAt: { seconds: 253402300800n } }],
])("a wrong %s is refused by name: %p", async (field, wrong) => {
  const { id: userId } = await createTestUser(users);
  const call = users.createApiToken({ userId, name: "laptop", ...wrong });
  await expectRefusal(call, Code.InvalidArgument, "INVALID_FIELD", { field });
});

test("a token cannot expire in the past, nor belong to nobody, nor to a user that is being deleted", async () => {
  const { id: userId } = await createTestUser(users);
  await expectRefusal(createToken(userId, nowMs), Code.InvalidArgument, "INVALID_FIELD", { field: "expires_at" });
  await expectRefusal(createToken("999999"), Code.NotFound, "USER_NOT_FOUND");
  await startDeletion(fleet.control.database("CONTROL"), { userId, isForced: false, now: new Date(nowMs) });
  await expectRefusal(createToken(userId), Code.FailedPrecondition, "USER_PENDING_DELETION");
});
