import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { UserEmailRow } from "../entities/user-email.js";
import { createEmailIsPrimaryError } from "../errors.js";
import { findUserOrThrow, lockUserOrThrow } from "../store/user.js";
import { toStoredEmail } from "../store/user-email.js";
import { toUser } from "../user-message.js";

/** UserService.RemoveUserEmail. */
export function removeUserEmail(context: ServiceContext): MethodImpl<typeof UserService.method.removeUserEmail> {
  return async ({ userId, email: given }) => {
    const email = toStoredEmail(given);
    const user = await context.database.transaction(async (manager) => {
      await lockUserOrThrow(manager, userId);
      const emails = manager.getRepository(UserEmailRow);
      if (await emails.existsBy({ userId, email, isPrimary: true })) throw createEmailIsPrimaryError(email);
      await emails.delete({ userId, email });
      return findUserOrThrow(manager, userId);
    });
    return { user: toUser(user) };
  };
}
