import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  CellInboxService,
  ControlInboxService,
  type MessageBatchSchema,
  Outcome,
  type Result,
} from "@cellway/gen/cellway/outbox/v1/outbox";
import { type RpcRuntime, reasonOf } from "@cellway/rpc";
import type { LocalMode } from "@cellway/silo";
import { Code, ConnectError } from "@connectrpc/connect";
import { ANSWER_MALFORMED, type Courier, DestinationAwayError, type OutgoingMessage, type Verdict } from "./message.js";

/** What a call may take beyond the time that the messages have. */
const CALL_GRACE_MS = 1_500;

/** Codes that say nothing of the messages, only that the silo cannot take any now, or not from us. */
const AWAY: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.Aborted,
  Code.ResourceExhausted,
  Code.Unauthenticated,
  // An older version, that has no inbox yet.
  Code.Unimplemented,
]);

/** Delivers by the inbox services of the other side: signed, resolved, with the deadline and the circuit of every call. */
export function createRpcCourier(rpc: Pick<RpcRuntime, "client">, localMode: LocalMode): Courier {
  return {
    async deliver(destination, messages, { budgetMs, signal }) {
      const batch = { messages: messages.map(toMessage), budgetMs };
      const options = { timeoutMs: budgetMs + CALL_GRACE_MS, signal };
      try {
        const results =
          localMode === "CELL"
            ? await deliverToControl(rpc, batch, options)
            : await deliverToCell(rpc, destination, batch, options);
        return results.map(toVerdict);
      } catch (error) {
        // The directory has no such cell any more: it was empty when it was removed, and there is nobody to be told.
        if (reasonOf(error) === "CELL_NOT_FOUND") return messages.map(() => ({ kind: "delivered" }));
        throw isAway(error)
          ? new DestinationAwayError(`${destination} takes no messages now`, { cause: error })
          : error;
      }
    },
  };
}

type Batch = MessageInitShape<typeof MessageBatchSchema>;
type Options = { timeoutMs: number; signal: AbortSignal };

async function deliverToControl(rpc: Pick<RpcRuntime, "client">, batch: Batch, options: Options): Promise<Result[]> {
  return (await rpc.client(ControlInboxService).deliverToControl({ batch }, options)).results;
}

async function deliverToCell(
  rpc: Pick<RpcRuntime, "client">,
  cellName: string,
  batch: Batch,
  options: Options,
): Promise<Result[]> {
  return (await rpc.client(CellInboxService).deliverToCell({ cellName, batch }, options)).results;
}

function toMessage({ category, shardId, objectId, version, content, traceparent }: OutgoingMessage) {
  return { category, shardId, objectId, version, traceparent, ...(content === undefined ? {} : { content }) };
}

function toVerdict({ outcome, error }: Result): Verdict {
  switch (outcome) {
    case Outcome.DELIVERED:
      return { kind: "delivered" };
    case Outcome.UNFINISHED:
      return { kind: "unfinished" };
    case Outcome.SKIPPED:
      return { kind: "skipped" };
    case Outcome.FAILED:
      return { kind: "failed", error };
    default:
      return { kind: "failed", error: `${ANSWER_MALFORMED}: outcome ${outcome}` };
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ConnectError && AWAY.has(error.code);
}
