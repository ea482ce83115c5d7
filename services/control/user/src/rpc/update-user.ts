import { isUniqueViolation } from "@cellway/database";
import type { UpdateUserRequest, UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { UserRow } from "../entities/user.js";
import { UserEmailRow } from "../entities/user-email.js";
import {
  createEmailNotFoundError,
  createEmailNotVerifiedError,
  createInvalidFieldError,
  createUsernameTakenError,
} from "../errors.js";
import { findUserOrThrow, lockUserOrThrow, rotateSessionNonce } from "../store/user.js";
import { setPrimaryEmail, toStoredEmail } from "../store/user-email.js";
import { toUser } from "../user-message.js";
import { assertUsernameAllowed } from "../username.js";

const PATHS = ["username", "display_name", "is_active", "is_staff", "avatar_url", "primary_email"] as const;
type Path = (typeof PATHS)[number];

/** UserService.UpdateUser. */
export function updateUser(context: ServiceContext): MethodImpl<typeof UserService.method.updateUser> {
  return async (req) => {
    const mask = readUpdateMask(req.updateMask, PATHS);
    assertMasked(req, mask);
    try {
      const user = await context.database.transaction(async (manager) => {
        const before = await lockUserOrThrow(manager, req.userId);
        const changes = { ...readChanges(req, mask), updatedAt: new Date(context.now()) };
        await manager.getRepository(UserRow).update({ id: before.id }, changes);
        if (before.isActive && changes.isActive === false) await rotateSessionNonce(manager, before.id);
        if (mask.has("primary_email")) await changePrimaryEmail(manager, before.id, toStoredEmail(req.primaryEmail));
        return findUserOrThrow(manager, before.id);
      });
      return { user: toUser(user) };
    } catch (error) {
      if (isUniqueViolation(error, "user_username_key")) throw createUsernameTakenError(req.username, error);
      throw error;
    }
  };
}

/** What the contract cannot say: a rule that holds only for the fields in the mask. */
function assertMasked(req: UpdateUserRequest, mask: ReadonlySet<Path>): void {
  if (mask.has("username")) {
    if (req.username === "") throw createInvalidFieldError("username", "must not be empty");
    assertUsernameAllowed(req.username);
  }
  if (mask.has("primary_email") && req.primaryEmail === "")
    throw createInvalidFieldError("primary_email", "must not be empty");
}

function readChanges(req: UpdateUserRequest, mask: ReadonlySet<Path>): Partial<UserRow> {
  return {
    ...(mask.has("username") ? { username: req.username } : {}),
    ...(mask.has("display_name") ? { displayName: req.displayName } : {}),
    ...(mask.has("is_active") ? { isActive: req.isActive } : {}),
    ...(mask.has("is_staff") ? { isStaff: req.isStaff } : {}),
    ...(mask.has("avatar_url") ? { avatarUrl: req.avatarUrl } : {}),
  };
}

async function changePrimaryEmail(manager: EntityManager, userId: string, email: string): Promise<void> {
  const row = await manager.getRepository(UserEmailRow).findOneBy({ userId, email });
  if (row === null) throw createEmailNotFoundError(userId, email);
  if (row.isPrimary) return;
  if (!row.isVerified) throw createEmailNotVerifiedError(email);
  await setPrimaryEmail(manager, userId, email);
}
