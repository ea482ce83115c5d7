import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import type { PasswordHasher } from "../password-hasher.js";
import type { SessionTimeouts } from "../session-limits.js";
import { changePassword } from "./change-password.js";
import { listSessions } from "./list-sessions.js";
import { logIn } from "./log-in.js";
import { logOut } from "./log-out.js";
import { revokeSession } from "./revoke-session.js";
import { signUp } from "./sign-up.js";
import { verifySession } from "./verify-session.js";

/** What sessions are made with. */
export interface SessionParts {
  readonly hasher: PasswordHasher;
  readonly timeouts: SessionTimeouts;
}

/** SessionService, as control serves it. */
export function createSessionRpc(context: ServiceContext, parts: SessionParts): ServiceImpl<typeof SessionService> {
  return {
    signUp: signUp(context, parts),
    logIn: logIn(context, parts),
    logOut: logOut(context),
    verifySession: verifySession(context),
    listSessions: listSessions(context),
    revokeSession: revokeSession(context),
    changePassword: changePassword(context, parts),
  };
}
