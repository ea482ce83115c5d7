import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toSession } from "../session-message.js";
import { listSessionRows } from "../store/session.js";

/** SessionService.ListSessions. */
export function listSessions(context: ServiceContext): MethodImpl<typeof SessionService.method.listSessions> {
  return async ({ userId }) => {
    const rows = await listSessionRows(context.database, userId, new Date(context.now()));
    return { sessions: rows.map(toSession) };
  };
}
