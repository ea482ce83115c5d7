import { INGEST_LISTENER } from "@cellway/http";
import type { ProjectConfigsRequest } from "@cellway/ingest-protocol";
import type { Scope } from "../scope.js";
import { askCell } from "./ask-cell.js";
import type { ProjectConfigContext } from "./context.js";
import type { Deadline } from "./deadline.js";

/**
 * The global configuration, by one rule whoever asks and whichever keys they ask for: that of the first cell, by name, of the
 * localities that are served at the host. A cell that does not say it in time is passed over, then it is the next one's.
 */
export async function findGlobal(
  ctx: ProjectConfigContext,
  request: ProjectConfigsRequest,
  { scope, deadline }: { readonly scope: Scope; readonly deadline: Deadline },
): Promise<{ readonly global?: unknown; readonly global_status: unknown }> {
  const cells = ctx.routes.memory
    .listCells()
    .filter((cell) => !cell.isDeleted && scope.has(cell.locality) && INGEST_LISTENER.addressOf(cell) !== "")
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const { publicKeys: _, revisions: __, ...rest } = request.raw;
  const body = Buffer.from(JSON.stringify({ ...rest, global: true, publicKeys: [] }));
  for (const cell of cells) {
    const leftMs = deadline.leftMs();
    if (leftMs <= 1) break;
    const timeoutMs = Math.min(ctx.configLimits.globalTryMs, leftMs);
    const answer = await askCell(ctx, { cell: cell.name, address: INGEST_LISTENER.addressOf(cell), body, timeoutMs });
    if (typeof answer?.global !== "object" || answer.global === null) continue;
    return { global: answer.global, global_status: answer.globalStatus ?? "ready" };
  }
  return { global_status: "pending" };
}
