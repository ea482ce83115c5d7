import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { UserEmailRow } from "../entities/user-email.js";
import { createVerificationTokenExpiredError, createVerificationTokenInvalidError } from "../errors.js";
import { findUserOrThrow } from "../store/user.js";
import { toStoredEmail } from "../store/user-email.js";
import { hashSecret } from "../token.js";
import { toUser } from "../user-message.js";

/** UserService.VerifyEmail. */
export function verifyEmail(context: ServiceContext): MethodImpl<typeof UserService.method.verifyEmail> {
  return async ({ userId, email: given, token }) => {
    const email = toStoredEmail(given);
    const user = await context.database.transaction(async (manager) => {
      const emails = manager.getRepository(UserEmailRow);
      const row = await emails.findOne({ where: { userId, email }, lock: { mode: "pessimistic_write" } });
      if (row?.verificationTokenHash?.equals(hashSecret(token)) !== true) throw createVerificationTokenInvalidError();
      if ((row.verificationExpiresAt?.getTime() ?? 0) <= context.now()) throw createVerificationTokenExpiredError();
      await emails.update({ userId, email }, { isVerified: true });
      return findUserOrThrow(manager, userId);
    });
    return { user: toUser(user) };
  };
}
