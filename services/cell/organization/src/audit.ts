import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { cellNumberOfSnowflake, nextSnowflake } from "@cellway/database";
import { type AuditActorSchema, type AuditEvent, AuditLogRecordSchema } from "@cellway/gen/cellway/audit/v1/records";
import { sendContent, writeMessage } from "@cellway/outbox";
import { currentCall } from "@cellway/rpc";
import type { EntityManager } from "typeorm";

/** The most that an entry says of one thing, as the contract has it. */
const DETAIL_MAX = 512;
const TOKEN_ID_MAX = 64;
const USER_ID = /^[1-9]\d{0,17}$/;

/** Something that is being done in an organization. */
export interface AuditEntry {
  readonly organizationId: string;
  readonly event: AuditEvent;
  readonly targetId: string;
  /** What else there is to say; what is null or undefined is left out. */
  readonly details?: Readonly<Record<string, string | null | undefined>>;
}

/** Tells control what was done in organizations. */
export const auditLog = sendContent(AuditLogRecordSchema);

/**
 * Writes an entry of the audit log, as part of the transaction of the change and after it, on behalf of the viewer of the
 * current call.
 */
export async function recordAudit(manager: EntityManager, entry: AuditEntry): Promise<void> {
  const { organizationId, event, targetId, details = {} } = entry;
  const actor = findActor();
  const id = await nextSnowflake(manager, "CELL", cellNumberOfSnowflake(organizationId));
  await writeMessage(manager, AuditLogRecordSchema, {
    destinations: ["control"],
    shardId: organizationId,
    objectId: id,
    content: {
      event,
      targetId,
      details: readDetails(details),
      occurredAt: timestampNow(),
      ...(actor === undefined ? {} : { actor }),
    },
  });
}

/** The viewer of the current call. What is not an id is left out: it may be whatever the caller wrote. */
function findActor(): MessageInitShape<typeof AuditActorSchema> | undefined {
  const viewer = currentCall()?.viewer;
  if (viewer === undefined) return undefined;
  const { kind, userId = "", tokenId = "", ipAddress = "" } = viewer;
  return { kind, tokenId: tokenId.slice(0, TOKEN_ID_MAX), ipAddress, ...(USER_ID.test(userId) ? { userId } : {}) };
}

function readDetails(details: NonNullable<AuditEntry["details"]>): Record<string, string> {
  const known: Record<string, string> = {};
  for (const [name, value] of Object.entries(details)) if (value != null) known[name] = value.slice(0, DETAIL_MAX);
  return known;
}
