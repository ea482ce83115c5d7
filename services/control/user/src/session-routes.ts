import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type NewSession, type Session, SessionService } from "@cellway/gen/cellway/user/v1/session";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import {
  createNotFoundProblem,
  defineRoute,
  idParameter,
  ProblemError,
  type PublicRoute,
  type RouteLimit,
  type SessionClient,
  userIdOf,
} from "@cellway/http";
import { z } from "zod";
import { showTime, showUser, userSchema } from "./show.js";

const none = z.strictObject({});

const PASSWORD_MIN_LENGTH = 8;
const PASSWORD_MAX_BYTES = 256;
const isShortEnough = (password: string): boolean => Buffer.byteLength(password) <= PASSWORD_MAX_BYTES;
const passwordSchema = z.string().min(1).refine(isShortEnough, `must have at most ${PASSWORD_MAX_BYTES} bytes`);
const newPasswordSchema = passwordSchema.refine(
  (password) => Array.from(password).length >= PASSWORD_MIN_LENGTH,
  `must have at least ${PASSWORD_MIN_LENGTH} characters`,
);

/** From one address. */
const ADDRESS_LIMIT: RouteLimit = { of: "address", perMinute: 30 };
/** For one account, from everywhere; the same for one that is not there. */
const LOGIN_LIMIT: RouteLimit = {
  of: "account",
  perMinute: 10,
  keyOf: ({ body }) => (body as { login: string }).login.toLowerCase(),
};
const PASSWORD_LIMIT: RouteLimit = { of: "account", perMinute: 10, keyOf: ({ principal }) => userIdOf(principal) };

const sessionSchema = z.object({
  id: z.string(),
  is_current: z.boolean(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  idle_expires_at: z.iso.datetime(),
  ip_address: z.string(),
  user_agent: z.string(),
});

const signUp: PublicRoute<ServiceContext> = defineRoute({
  name: "signUp",
  summary: "Creates a user with a password, and logs it in: sets the session cookie.",
  method: "POST",
  path: "/api/0/users/",
  localMode: "CONTROL",
  access: { kind: "anyone" },
  handlesSessions: true,
  rateLimits: [ADDRESS_LIMIT],
  params: none,
  body: z.strictObject({
    username: z.string().min(1).max(64),
    email: z.string().min(1).max(254),
    name: z.string().max(100).optional(),
    password: newPasswordSchema,
  }),
  response: userSchema,
  status: 201,
  async handle({ context, body, sessionClient }) {
    const { username, email, name = "", password } = body;
    const made = await context.rpc.client(SessionService).signUp({
      username,
      email,
      displayName: name,
      password,
      client: { ipAddress: sessionClient?.ipAddress ?? "", userAgent: sessionClient?.userAgent ?? "" },
    });
    if (made.user === undefined || made.session === undefined) throw createNotFoundProblem();
    await endSessions(context, sessionClient);
    return { body: showUser(made.user), session: toGivenSession(made.session) };
  },
});

const logIn: PublicRoute<ServiceContext> = defineRoute({
  name: "logIn",
  summary:
    "Logs a user in by username or email address, and password: sets the session cookie, and ends the session of the one before.",
  method: "POST",
  path: "/api/0/auth/login/",
  localMode: "CONTROL",
  access: { kind: "anyone" },
  handlesSessions: true,
  rateLimits: [ADDRESS_LIMIT, LOGIN_LIMIT],
  params: none,
  body: z.strictObject({ login: z.string().min(1).max(254), password: passwordSchema }),
  response: userSchema,
  async handle({ context, body, sessionClient }) {
    const { session } = await context.rpc.client(SessionService).logIn({
      ...body,
      client: { ipAddress: sessionClient?.ipAddress ?? "", userAgent: sessionClient?.userAgent ?? "" },
    });
    if (session === undefined) {
      throw new ProblemError(401, "CREDENTIALS_INVALID", "There is no such user with this password.");
    }
    const { user } = await context.rpc.client(UserService).getUser({ userId: session.session?.userId ?? "" });
    if (user === undefined) throw createNotFoundProblem();
    await endSessions(context, sessionClient);
    return { body: showUser(user), session: toGivenSession(session) };
  },
});

const logOut: PublicRoute<ServiceContext> = defineRoute({
  name: "logOut",
  summary: "Ends the session of the cookie, and takes the cookie away; without a session it changes nothing.",
  method: "POST",
  path: "/api/0/auth/logout/",
  localMode: "CONTROL",
  access: { kind: "anyone" },
  handlesSessions: true,
  params: none,
  response: none,
  async handle({ context, sessionClient }) {
    await endSessions(context, sessionClient);
    return { body: {}, session: null };
  },
});

const listSessions: PublicRoute<ServiceContext> = defineRoute({
  name: "listSessions",
  summary: "Lists the sessions of whoever calls, the newest first; at most 50.",
  method: "GET",
  path: "/api/0/sessions/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "session:read" },
  params: none,
  response: z.array(sessionSchema),
  async handle({ context, principal }) {
    const { sessions } = await context.rpc.client(SessionService).listSessions({ userId: userIdOf(principal) });
    return { body: sessions.map((session) => showSession(session, principal?.sessionId)) };
  },
});

const revokeSession: PublicRoute<ServiceContext> = defineRoute({
  name: "revokeSession",
  summary: "Ends a session of whoever calls; the same again changes nothing.",
  method: "DELETE",
  path: "/api/0/sessions/{session_id}/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "session:write" },
  params: z.strictObject({ session_id: idParameter }),
  response: none,
  async handle({ context, principal, params }) {
    await context.rpc
      .client(SessionService)
      .revokeSession({ userId: userIdOf(principal), sessionId: params.session_id });
    return { body: {} };
  },
});

const changePassword: PublicRoute<ServiceContext> = defineRoute({
  name: "changePassword",
  summary: "Changes the password of whoever calls, and ends all its sessions but the one that calls.",
  method: "PUT",
  path: "/api/0/users/me/password/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "user:write" },
  rateLimits: [ADDRESS_LIMIT, PASSWORD_LIMIT],
  params: none,
  body: z.strictObject({ current_password: passwordSchema, new_password: newPasswordSchema }),
  response: none,
  async handle({ context, principal, body }) {
    await context.rpc.client(SessionService).changePassword({
      userId: userIdOf(principal),
      currentPassword: body.current_password,
      newPassword: body.new_password,
      ...(principal?.sessionId === undefined ? {} : { keptSessionId: principal.sessionId }),
    });
    return { body: {} };
  },
});

/** The public routes of those who log in. */
export const sessionRoutes: readonly PublicRoute<ServiceContext>[] = [
  signUp,
  logIn,
  logOut,
  listSessions,
  revokeSession,
  changePassword,
];

/** Of the several session cookies that a request may have, so many are logged out. */
const COOKIES_MAX = 4;
/** The contract's bound. */
const TOKEN_MAX_LENGTH = 256;

/** Ends what the request's cookies hold: nobody has them any more. */
async function endSessions({ rpc }: ServiceContext, sessionClient: SessionClient | undefined): Promise<void> {
  for (const token of (sessionClient?.secrets ?? []).slice(0, COOKIES_MAX)) {
    if (token.length <= TOKEN_MAX_LENGTH) await rpc.client(SessionService).logOut({ token });
  }
}

function toGivenSession({ token, session }: NewSession): { token: string; expiresAt: Date } {
  const expiresAt = session?.expiresAt;
  return { token, expiresAt: expiresAt === undefined ? new Date(0) : timestampDate(expiresAt) };
}

function showSession(session: Session, currentId: string | undefined): z.input<typeof sessionSchema> {
  return {
    id: session.id,
    is_current: session.id === currentId,
    created_at: showTime(session.createdAt) ?? "",
    last_used_at: showTime(session.lastUsedAt) ?? "",
    expires_at: showTime(session.expiresAt) ?? "",
    idle_expires_at: showTime(session.idleExpiresAt) ?? "",
    ip_address: session.ipAddress,
    user_agent: session.userAgent,
  };
}
