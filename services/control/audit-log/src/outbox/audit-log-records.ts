import { timestampDate } from "@bufbuild/protobuf/wkt";
import { cellNumberOfSnowflake } from "@cellway/database";
import { AuditLogRecordSchema } from "@cellway/gen/cellway/audit/v1/records";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { createNotOwnedError } from "../errors.js";
import { insertEntry } from "../store/audit-log-entry.js";

/** Organizations of which it is remembered who may tell of them. */
const TELLERS_MAX = 10_000;

/** Keeps what cells say was done in their organizations, also in those that are gone, or not there yet. */
export function takeAuditLogRecords(context: ServiceContext): OutboxReceiver {
  // An organization that was a cell's once may be told of by it for ever: nothing has to be forgotten.
  const tellers = new Map<string, string>();
  const assertMayTell = async (organizationId: string, sender: string) => {
    if (tellers.get(organizationId) === sender) return;
    if (!(await mayTellOf(context, organizationId, sender))) throw createNotOwnedError(organizationId, sender);
    if (tellers.size >= TELLERS_MAX) tellers.clear();
    tellers.set(organizationId, sender);
  };
  return receiveMessages(AuditLogRecordSchema, async ({ shardId, objectId, content, sender }) => {
    if (content === undefined) return;
    await assertMayTell(shardId, sender);
    const { actor, occurredAt } = content;
    await insertEntry(context.database, {
      cellName: sender,
      id: objectId,
      organizationId: shardId,
      event: content.event,
      actorKind: actor?.kind ?? null,
      actorUserId: actor?.userId ?? null,
      actorTokenId: actor?.tokenId ?? "",
      actorIpAddress: actor?.ipAddress ?? "",
      targetId: content.targetId,
      details: content.details,
      occurredAt: occurredAt === undefined ? new Date(context.now()) : timestampDate(occurredAt),
    });
  });
}

/** Whether an organization lives in the cell; one that lives nowhere was the cell's whose number is in its id. */
async function mayTellOf({ rpc, silo }: ServiceContext, organizationId: string, sender: string): Promise<boolean> {
  // A monolith tells itself, for all its cells.
  if (sender === silo.name) return true;
  const directory = rpc.client(DirectoryService);
  const { mapping } = await directory.getOrganizationMapping({
    organization: { case: "organizationId", value: organizationId },
  });
  if (mapping !== undefined) return mapping.cellName === sender;
  const { cells } = await directory.listCells({});
  return cells.find(({ name }) => name === sender)?.number === cellNumberOfSnowflake(organizationId);
}
