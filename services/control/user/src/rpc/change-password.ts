import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { createPasswordWrongError } from "../errors.js";
import { deleteOtherSessions } from "../store/session.js";
import { lockUserOrThrow } from "../store/user.js";
import { findPassword, replacePasswordHash } from "../store/user-password.js";
import type { SessionParts } from "./sessions.js";

/** SessionService.ChangePassword. */
export function changePassword(
  context: ServiceContext,
  { hasher }: SessionParts,
): MethodImpl<typeof SessionService.method.changePassword> {
  return async ({ userId, currentPassword, newPassword, keptSessionId }) => {
    const before = (await findPassword(context.database, userId))?.hash;
    const { isRight } = await hasher.verify(currentPassword, before);
    if (before === undefined || !isRight) throw createPasswordWrongError();
    const after = await hasher.hash(newPassword);
    await context.database.transaction(async (manager) => {
      await lockUserOrThrow(manager, userId);
      // Somebody else changed it meanwhile: what was given as the current one is that no more.
      const changedAt = new Date(context.now());
      if (!(await replacePasswordHash(manager, userId, { before, after, changedAt }))) throw createPasswordWrongError();
      await deleteOtherSessions(manager, userId, keptSessionId);
    });
    return {};
  };
}
