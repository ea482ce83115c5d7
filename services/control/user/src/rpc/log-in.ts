import type { LogInRequest, SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import { reasonOf } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { openSession } from "../open-session.js";
import { lockUser } from "../store/user.js";
import { findLogin, findPassword, type Login, replacePasswordHash } from "../store/user-password.js";
import type { SessionParts } from "./sessions.js";

/** SessionService.LogIn. */
export function logIn(context: ServiceContext, parts: SessionParts): MethodImpl<typeof SessionService.method.logIn> {
  const count = (outcome: string): void => context.metrics.count("cellway_logins_total", { outcome });
  return async (req) => {
    try {
      const session = await tryLogIn(context, parts, req);
      count(session === undefined ? "refused" : "accepted");
      return session === undefined ? {} : { session };
    } catch (error) {
      if (reasonOf(error) === "PASSWORD_CHECKS_BUSY") count("busy");
      throw error;
    }
  };
}

async function tryLogIn(context: ServiceContext, parts: SessionParts, { login, password, client }: LogInRequest) {
  const { hasher, timeouts } = parts;
  const found = await findLogin(context.database, login);
  const { isRight, isOutdated } = await hasher.verify(password, found?.hash);
  if (found === undefined || !isRight) return undefined;
  if (isOutdated) await renewHash(context, parts, found, password);
  const { userId } = found;
  return context.database.transaction(async (manager) => {
    const user = await lockUser(manager, userId);
    // Whoever changed the password while it was checked has ended all sessions: this one must not come after that.
    const known = await findPassword(manager, userId);
    if (user?.isActive !== true || known?.changedAt.getTime() !== found.changedAt.getTime()) return undefined;
    return openSession(manager, { userId, client, timeouts, now: new Date(context.now()) });
  });
}

/** Of a hash that was made with other parameters than those of now; a login does not fail for it. */
async function renewHash(
  { database, logger }: ServiceContext,
  { hasher }: SessionParts,
  { userId, hash: before }: Login,
  password: string,
): Promise<void> {
  try {
    await replacePasswordHash(database, userId, { before, after: await hasher.hash(password), changedAt: undefined });
  } catch (error) {
    logger.warn({ user_id: userId, err: error }, "the hash of a password could not be renewed");
  }
}
