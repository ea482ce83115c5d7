import { type CapturedRequest, createRpcError } from "@cellway/rpc";
import type { Fleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";

/**
 * Loses the replies of the next `times` requests that are meant: the silo that was called has done its
 * work, and nobody learns of it. Answers all such requests, as they come, those after them too.
 */
export function loseReplies(fleet: Fleet, times: number, isMeant: (url: string) => boolean): CapturedRequest[] {
  const { memory } = fleet;
  if (memory === undefined) throw new Error("needs the in-memory network");
  const seen: CapturedRequest[] = [];
  memory.onRequest = async (request) => {
    if (!isMeant(request.url)) return;
    const copy = { ...request, header: new Headers(request.header) };
    seen.push(copy);
    if (seen.length > times) return;
    await memory.deliver(copy);
    throw createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "the reply was lost");
  };
  return seen;
}
