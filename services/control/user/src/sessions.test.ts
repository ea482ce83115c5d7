import { SessionService } from "@cellway/gen/cellway/user/v1/session";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createUserModule } from "./index.js";
import { createPasswordHasher, DEFAULT_PASSWORD_HASHING } from "./password-hasher.js";
import { SESSIONS_MAX } from "./session-limits.js";
import { createTestUser, expectRefusal, verifyTestEmail } from "./test-support.js";

const HOUR_MS = 3_600_000;
/** Cheap, so that tests are about rules and not about time. */
const HASHING = { ...DEFAULT_PASSWORD_HASHING, costLog2: 12, passes: 1, concurrency: 1, waitingMax: 4 };
const PASSWORD = "correct horse battery";

let fleet: Fleet;
let nowMs = Date.UTC(2026, 0, 1);
let count = 0;

beforeAll(async () => {
  const sessions = { absoluteSeconds: 100 * 3_600, idleSeconds: 10 * 3_600 };
  fleet = await startFleet({ modules: [createUserModule({ sessions, hashing: HASHING })], now: () => nowMs });
}, 60_000);
afterAll(() => fleet.stop());

const users = () => fleet.client(UserService);
const sessionService = () => fleet.client(SessionService);
const query = (sql: string, parameters: unknown[] = []) =>
  fleet.control.database("CONTROL").query<Record<string, unknown>[]>(sql, parameters);
const accepts = async (token: string) => (await sessionService().verifySession({ token })).verified !== undefined;

async function signUp(given: { username?: string; email?: string } = {}) {
  const username = given.username ?? `person-${count++}`;
  const email = given.email ?? `${username}@example.com`;
  const client = { ipAddress: "192.0.2.1", userAgent: "Test/1.0" };
  const { user, session } = await sessionService().signUp({ username, email, password: PASSWORD, client });
  return { userId: user?.id ?? "", username, token: session?.token ?? "", sessionId: session?.session?.id ?? "" };
}

async function logIn(login: string, password = PASSWORD): Promise<string | undefined> {
  return (await sessionService().logIn({ login, password })).session?.token;
}

test("whoever signs up is logged in, and can log in again", async () => {
  const { userId, username, token, sessionId } = await signUp();
  expect(token).toMatch(/^cws_[A-Za-z0-9_-]{43}$/);
  expect((await sessionService().verifySession({ token })).verified).toMatchObject({ id: sessionId, userId });
  const again = (await logIn(username.toUpperCase())) ?? "";
  expect([await accepts(token), await accepts(again), again === token]).toEqual([true, true, false]);
  const inCell = fleet.cell("de1").rpc.client(SessionService);
  expect((await inCell.verifySession({ token })).verified?.userId).toBe(userId);
});

test("of many who sign up with one username at once one succeeds, and the others are told that it is taken", async () => {
  const outcomes = await Promise.allSettled(
    ["racer", "RACER", "Racer", "racer"].map((username) => signUp({ username })),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  await expectRefusal(signUp({ username: "racer" }), Code.AlreadyExists, "USERNAME_TAKEN");
  await expectRefusal(signUp({ username: "admin" }), Code.InvalidArgument, "USERNAME_RESERVED");
  expect(await query("select from control.user where lower(username) = 'racer'")).toHaveLength(1);
});

test("an unknown user, a wrong password, no password and an inactive user are answered alike", async () => {
  const { username, userId } = await signUp();
  const { username: without } = await createTestUser(users());
  const answers = [
    await sessionService().logIn({ login: username, password: "wrong horse" }),
    await sessionService().logIn({ login: "nobody-at-all", password: PASSWORD }),
    await sessionService().logIn({ login: "nobody@example.com", password: PASSWORD }),
    await sessionService().logIn({ login: without, password: PASSWORD }),
  ];
  await users().updateUser({ userId, isActive: false, updateMask: { paths: ["is_active"] } });
  answers.push(await sessionService().logIn({ login: username, password: PASSWORD }));
  expect(answers.map(({ session }) => session)).toEqual(Array(5).fill(undefined));
  expect(await fleet.control.metrics.value("cellway_logins_total", { outcome: "refused" })).toBeGreaterThanOrEqual(5);
});

test("an address logs in the one user who has verified it, or the only one who has it", async () => {
  const email = "shared@example.com";
  const first = await signUp({ email });
  expect(await logIn("Shared@Example.com")).toBeDefined();
  await signUp({ email });
  expect(await logIn(email)).toBeUndefined();
  await verifyTestEmail(users(), first.userId, email);
  const token = (await logIn(email)) ?? "";
  expect((await sessionService().verifySession({ token })).verified?.userId).toBe(first.userId);
});

test("neither passwords nor secrets of sessions are stored, logged or said in errors", async () => {
  const { token, userId } = await signUp();
  const rows = await query(
    `select s::text || p::text as row from control.session s join control.user_password p on p.user_id = s.user_id where s.user_id = $1`,
    [userId],
  );
  const error = await sessionService()
    .signUp({ username: "somebody", email: "a@example.com", password: "s3cret!" })
    .then(() => "answered", String);
  expect(error).toContain("password");
  const seen = JSON.stringify(rows) + fleet.control.log.join("") + error;
  expect(rows).toHaveLength(1);
  for (const secret of [PASSWORD, token, "s3cret!"]) expect(seen).not.toContain(secret);
});

test("a session ends at its absolute end however much it is used, and without use earlier", async () => {
  const [used, late, unused] = [await signUp(), await signUp(), await signUp()];
  const startedAt = nowMs;
  nowMs = startedAt + 9.9 * HOUR_MS;
  expect([await accepts(used.token), await accepts(late.token)]).toEqual([true, true]);
  nowMs = startedAt + 10 * HOUR_MS;
  expect([await accepts(late.token), await accepts(unused.token)]).toEqual([true, false]);
  for (; nowMs < startedAt + 99 * HOUR_MS; nowMs += 5 * HOUR_MS) expect(await accepts(used.token)).toBe(true);
  nowMs = startedAt + 99.9 * HOUR_MS;
  expect([await accepts(used.token), await accepts(late.token)]).toEqual([true, false]);
  nowMs = startedAt + 100 * HOUR_MS;
  expect(await accepts(used.token)).toBe(false);
  expect((await sessionService().listSessions({ userId: used.userId })).sessions).toEqual([]);
  await fleet.control.tasks.runNow("user.end-sessions");
  expect(await query("select from control.session where user_id in ($1, $2)", [used.userId, unused.userId])).toEqual(
    [],
  );
});

test("a use is noted to the minute, and moves the end in steps of a tenth of the idle timeout", async () => {
  const { token, userId } = await signUp();
  const read = async () =>
    (await query("select last_used_at, idle_expires_at from control.session where user_id = $1", [userId]))[0];
  const before = await read();
  await accepts(token);
  expect(await read()).toEqual(before);
  nowMs += 61_000;
  await accepts(token);
  const noted = await read();
  expect([noted?.["idle_expires_at"], noted?.["last_used_at"]]).toEqual([before?.["idle_expires_at"], new Date(nowMs)]);
  nowMs += HOUR_MS;
  await accepts(token);
  expect((await read())?.["idle_expires_at"]).toEqual(new Date(nowMs + 10 * HOUR_MS));
});

test("the owner of sessions sees them with where they were made, and ends any of them; nobody ends another's", async () => {
  const { token, userId, username, sessionId } = await signUp();
  const other = (await logIn(username)) ?? "";
  const { sessions } = await sessionService().listSessions({ userId });
  expect(sessions).toHaveLength(2);
  expect(sessions[1]).toMatchObject({ id: sessionId, ipAddress: "192.0.2.1", userAgent: "Test/1.0" });
  const stranger = await signUp();
  await sessionService().revokeSession({ userId: stranger.userId, sessionId });
  expect(await accepts(token)).toBe(true);
  await sessionService().revokeSession({ userId, sessionId });
  expect([await accepts(token), await accepts(other)]).toEqual([false, true]);
  await sessionService().logOut({ token: other });
  await sessionService().logOut({ token: other });
  expect(await accepts(other)).toBe(false);
});

test("a user has so many sessions, and the one that was unused for longest makes room", async () => {
  const { token, userId, username } = await signUp();
  await query(
    `insert into control.session (user_id, token_hash, expires_at, idle_expires_at, idle_timeout_seconds, last_used_at, created_at, user_agent)
      select $1, sha256(n::text::bytea), $2::timestamptz + interval '1 hour', $2::timestamptz + interval '1 hour', 3600, $2::timestamptz + interval '1 second', $2, ''
      from generate_series(1, $3) n`,
    [userId, new Date(nowMs), SESSIONS_MAX - 1],
  );
  expect(await accepts(token)).toBe(true);
  await logIn(username);
  expect(await accepts(token)).toBe(false);
  expect((await sessionService().listSessions({ userId })).sessions).toHaveLength(SESSIONS_MAX);
});

test("another password ends all sessions but the one that asked, and only the new one logs in", async () => {
  const { token, userId, username, sessionId } = await signUp();
  const other = (await logIn(username)) ?? "";
  const change = (currentPassword: string) =>
    sessionService().changePassword({
      userId,
      currentPassword,
      newPassword: "another horse",
      keptSessionId: sessionId,
    });
  await expectRefusal(change("wrong horse"), Code.PermissionDenied, "PASSWORD_WRONG");
  expect(await accepts(other)).toBe(true);
  nowMs += 1;
  await change(PASSWORD);
  expect([await accepts(token), await accepts(other)]).toEqual([true, false]);
  expect([await logIn(username), await logIn(username, "another horse")]).toEqual([undefined, expect.any(String)]);
  const { id } = await createTestUser(users());
  const first = sessionService().changePassword({ userId: id, currentPassword: "x", newPassword: "another horse" });
  await expectRefusal(first, Code.PermissionDenied, "PASSWORD_WRONG");
});

test("whatever raises the version of a user's sessions ends them, also a statement of old code", async () => {
  const flushed = await signUp();
  await users().flushSessions({ userId: flushed.userId });
  const byHand = await signUp();
  await query("update control.user set session_version = session_version + 1 where id = $1", [byHand.userId]);
  const inactive = await signUp();
  await users().updateUser({ userId: inactive.userId, isActive: false, updateMask: { paths: ["is_active"] } });
  await users().updateUser({ userId: inactive.userId, isActive: true, updateMask: { paths: ["is_active"] } });
  for (const { token } of [flushed, byHand, inactive]) expect(await accepts(token)).toBe(false);
});

test("a hash of other parameters is replaced at the next login, and no session ends for it", async () => {
  const { token, userId, username } = await signUp();
  const weak = await createPasswordHasher({ ...DEFAULT_PASSWORD_HASHING, costLog2: 10 }).hash(PASSWORD);
  await query("update control.user_password set hash = $2 where user_id = $1", [userId, weak]);
  expect(await logIn(username, "wrong horse")).toBeUndefined();
  expect(await logIn(username)).toBeDefined();
  const [row] = await query("select hash from control.user_password where user_id = $1", [userId]);
  expect(row?.["hash"]).toContain("$ln=12,r=8,p=1$");
  expect([await accepts(token), await logIn(username)]).toEqual([true, expect.any(String)]);
});

test("in a storm of logins those beyond the bound are told at once to come again, and the others are served", async () => {
  const { username } = await signUp();
  // Many times what can run and wait, so that it does not matter how fast they come and go.
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => logIn(username)));
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  expect(failures.length).toBeGreaterThan(0);
  for (const failure of failures) {
    await expectRefusal(Promise.reject(failure), Code.Unavailable, "PASSWORD_CHECKS_BUSY");
  }
  expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
  expect(await logIn(username)).toBeDefined();
}, 30_000);

test("cells may verify a session and do nothing else with them", async () => {
  const cell = fleet.cell("us1").rpc.client(SessionService);
  await expectRefusal(cell.logIn({ login: "a", password: "b" }), Code.PermissionDenied, "CALLER_NOT_ALLOWED");
  await expectRefusal(cell.listSessions({ userId: "1" }), Code.PermissionDenied, "CALLER_NOT_ALLOWED");
  await expectRefusal(cell.revokeSession({ userId: "1", sessionId: "1" }), Code.PermissionDenied, "CALLER_NOT_ALLOWED");
});
