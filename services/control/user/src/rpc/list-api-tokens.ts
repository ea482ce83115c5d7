import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toApiToken } from "../api-token-message.js";
import { listTokens } from "../store/api-token.js";

/** UserService.ListApiTokens. */
export function listApiTokens(context: ServiceContext): MethodImpl<typeof UserService.method.listApiTokens> {
  return async (req) => {
    const page = readPage(req);
    const rows = await listTokens(context.database, req.userId, page);
    const { items, nextPageToken } = cutPage(rows, page.limit, (row) => row.id);
    return { apiTokens: items.map(toApiToken), nextPageToken };
  };
}
