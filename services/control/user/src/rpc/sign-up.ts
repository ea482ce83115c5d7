import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { createUsernameTakenError } from "../errors.js";
import { openSession } from "../open-session.js";
import { findUserByUsername, findUserOrThrow, insertUser } from "../store/user.js";
import { toStoredEmail } from "../store/user-email.js";
import { insertPasswordHash } from "../store/user-password.js";
import { toUser } from "../user-message.js";
import { assertUsernameAllowed } from "../username.js";
import type { SessionParts } from "./sessions.js";

/** SessionService.SignUp. */
export function signUp(
  context: ServiceContext,
  { hasher, timeouts }: SessionParts,
): MethodImpl<typeof SessionService.method.signUp> {
  return async (req) => {
    const { username, displayName, client } = req;
    assertUsernameAllowed(username);
    // Before the work of a hash; whoever takes the name meanwhile is found below.
    if ((await findUserByUsername(context.database, username)) !== undefined) throw createUsernameTakenError(username);
    const hash = await hasher.hash(req.password);
    const now = new Date(context.now());
    return context.database.transaction(async (manager) => {
      const newUser = { username, displayName, email: toStoredEmail(req.email), createdAt: now };
      const userId = await insertUser(manager, newUser);
      if (userId === undefined) throw createUsernameTakenError(username);
      await insertPasswordHash(manager, userId, hash, now);
      const session = await openSession(manager, { userId, client, timeouts, now });
      return { user: toUser(await findUserOrThrow(manager, userId)), session };
    });
  };
}
