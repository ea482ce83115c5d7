import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { findUsers } from "../store/user.js";
import { listUserIdsByEmail, toStoredEmail } from "../store/user-email.js";
import { toUser } from "../user-message.js";

/** UserService.ListUsersByEmail. */
export function listUsersByEmail(context: ServiceContext): MethodImpl<typeof UserService.method.listUsersByEmail> {
  return async (req) => {
    const page = readPage(req);
    const email = toStoredEmail(req.email);
    const userIds = await listUserIdsByEmail(context.database, { email, verifiedOnly: req.verifiedOnly, page });
    const { items, nextPageToken } = cutPage(userIds, page.limit, (userId) => userId);
    const users = await findUsers(context.database, items);
    return { users: users.map(toUser), nextPageToken };
  };
}
