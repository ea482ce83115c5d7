import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { finishDeletion } from "../deletion.js";
import { startDeletion } from "../store/user-deletion.js";

/** UserService.DeleteUser. */
export function deleteUser(context: ServiceContext): MethodImpl<typeof UserService.method.deleteUser> {
  return async ({ userId, force }) => {
    const deletion = await startDeletion(context.database, { userId, isForced: force, now: new Date(context.now()) });
    if (deletion === undefined) return { wasDeleted: false };
    return { wasDeleted: await finishDeletion(context, deletion) };
  };
}
