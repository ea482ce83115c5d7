import { createHash } from "node:crypto";
import type { CreateUserRequest, UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { UserCreateRequestRow } from "../entities/user-create-request.js";
import { createRequestIdReusedError, createUsernameTakenError } from "../errors.js";
import { lockKey } from "../store/lock.js";
import { findUserOrThrow, insertUser, type NewUser } from "../store/user.js";
import { toStoredEmail } from "../store/user-email.js";
import { toUser } from "../user-message.js";
import { assertUsernameAllowed } from "../username.js";

/** UserService.CreateUser. */
export function createUser(context: ServiceContext): MethodImpl<typeof UserService.method.createUser> {
  return async (req) => {
    assertUsernameAllowed(req.username);
    const user = await context.database.transaction(async (manager) => {
      const { username, displayName } = req;
      const newUser: NewUser = {
        username,
        displayName,
        email: toStoredEmail(req.email),
        createdAt: new Date(context.now()),
      };
      const userId =
        req.requestId === "" ? await insertOrThrow(manager, newUser) : await insertOnce(manager, newUser, req);
      return findUserOrThrow(manager, userId);
    });
    return { user: toUser(user) };
  };
}

/** Repetitions of a request take turns; all but the first find what that one did. */
async function insertOnce(manager: EntityManager, newUser: NewUser, req: CreateUserRequest): Promise<string> {
  const requests = manager.getRepository(UserCreateRequestRow);
  const fingerprint = fingerprintOf(newUser);
  await lockKey(manager, "user.create-request", req.requestId);
  const done = await requests.findOneBy({ requestId: req.requestId });
  if (done !== null) {
    if (!done.fingerprint.equals(fingerprint)) throw createRequestIdReusedError(req.requestId);
    return done.userId;
  }
  const userId = await insertOrThrow(manager, newUser);
  await requests.insert({ requestId: req.requestId, fingerprint, userId, createdAt: newUser.createdAt });
  return userId;
}

async function insertOrThrow(manager: EntityManager, newUser: NewUser): Promise<string> {
  const userId = await insertUser(manager, newUser);
  if (userId === undefined) throw createUsernameTakenError(newUser.username);
  return userId;
}

function fingerprintOf({ username, email, displayName }: NewUser): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([username, email, displayName]))
    .digest();
}
