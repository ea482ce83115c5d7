import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { UserEmailRow } from "../entities/user-email.js";
import { createEmailLimitError, EMAILS_MAX } from "../errors.js";
import { findUserOrThrow, lockUserOrThrow } from "../store/user.js";
import { toStoredEmail } from "../store/user-email.js";
import { toUser } from "../user-message.js";

/** UserService.AddUserEmail. */
export function addUserEmail(context: ServiceContext): MethodImpl<typeof UserService.method.addUserEmail> {
  return async ({ userId, email: given }) => {
    const email = toStoredEmail(given);
    const user = await context.database.transaction(async (manager) => {
      await lockUserOrThrow(manager, userId);
      const emails = manager.getRepository(UserEmailRow);
      if (!(await emails.existsBy({ userId, email }))) {
        if ((await emails.countBy({ userId })) >= EMAILS_MAX) throw createEmailLimitError();
        await emails.insert({ userId, email, isVerified: false, isPrimary: false, createdAt: new Date(context.now()) });
      }
      return findUserOrThrow(manager, userId);
    });
    return { user: toUser(user) };
  };
}
