import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { UserEmailRow } from "../entities/user-email.js";
import { createEmailAlreadyVerifiedError, createEmailNotFoundError } from "../errors.js";
import { lockUserOrThrow } from "../store/user.js";
import { toStoredEmail } from "../store/user-email.js";
import { createSecret, hashSecret } from "../token.js";

/** How long a verification token works. The contract promises it. */
const VERIFICATION_TTL_MS = 24 * 60 * 60 * 1000;

/** UserService.RequestEmailVerification. */
export function requestEmailVerification(
  context: ServiceContext,
): MethodImpl<typeof UserService.method.requestEmailVerification> {
  return async ({ userId, email: given }) => {
    const email = toStoredEmail(given);
    const token = createSecret();
    const expiresAt = new Date(context.now() + VERIFICATION_TTL_MS);
    await context.database.transaction(async (manager) => {
      await lockUserOrThrow(manager, userId);
      const emails = manager.getRepository(UserEmailRow);
      const row = await emails.findOne({ where: { userId, email }, lock: { mode: "pessimistic_write" } });
      if (row === null) throw createEmailNotFoundError(userId, email);
      if (row.isVerified) throw createEmailAlreadyVerifiedError(email);
      await emails.update(
        { userId, email },
        { verificationTokenHash: hashSecret(token), verificationExpiresAt: expiresAt },
      );
    });
    return { token, expiresAt: timestampFromDate(expiresAt) };
  };
}
