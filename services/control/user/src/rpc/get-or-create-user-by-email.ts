import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { lockKey } from "../store/lock.js";
import type { Store } from "../store/store.js";
import { findUser, findUserOrThrow, insertUser, type NewUser, type UserWithEmails } from "../store/user.js";
import { findUserIdByEmail, toStoredEmail } from "../store/user-email.js";
import { toUser } from "../user-message.js";
import { createUsernameFor } from "../username.js";

/** How often another username is tried; each has a new random end. */
const USERNAME_ATTEMPTS_MAX = 5;

/** UserService.GetOrCreateUserByEmail. */
export function getOrCreateUserByEmail(
  context: ServiceContext,
): MethodImpl<typeof UserService.method.getOrCreateUserByEmail> {
  return async (req) => {
    const email = toStoredEmail(req.email);
    const known = await findUserByEmail(context.database, email);
    if (known !== undefined) return { user: toUser(known), wasCreated: false };
    return context.database.transaction(async (manager) => {
      // Calls for one address take turns, and each looks again when it is its turn.
      await lockKey(manager, "user.email", email);
      const found = await findUserByEmail(manager, email);
      if (found !== undefined) return { user: toUser(found), wasCreated: false };
      const newUser = { email, displayName: req.displayName, createdAt: new Date(context.now()) };
      const userId = await insertWithFreeUsername(manager, newUser);
      return { user: toUser(await findUserOrThrow(manager, userId)), wasCreated: true };
    });
  };
}

async function findUserByEmail(store: Store, email: string): Promise<UserWithEmails | undefined> {
  const userId = await findUserIdByEmail(store, email);
  return userId === undefined ? undefined : findUser(store, userId);
}

async function insertWithFreeUsername(manager: EntityManager, newUser: Omit<NewUser, "username">): Promise<string> {
  for (let attempt = 0; attempt < USERNAME_ATTEMPTS_MAX; attempt++) {
    const userId = await insertUser(manager, { ...newUser, username: createUsernameFor(newUser.email, attempt > 0) });
    if (userId !== undefined) return userId;
  }
  throw new Error(`No free username was found in ${USERNAME_ATTEMPTS_MAX} attempts.`);
}
