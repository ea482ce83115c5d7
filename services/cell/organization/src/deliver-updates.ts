import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DirectoryService,
  type OrganizationMemberStateSchema,
  type OrganizationStateSchema,
  type SyncOrganizationRequestSchema,
} from "@cellway/gen/cellway/directory/v1/directory";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import type { ServiceContext } from "@cellway/host";
import { reasonOf } from "@cellway/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import { type EntityManager, In } from "typeorm";
import { OrganizationMemberRow } from "./entities/organization-member.js";
import type { PendingDirectoryUpdateRow } from "./entities/pending-directory-update.js";
import { findOrganization } from "./store/organization.js";
import { deleteUpdates, listUpdates, postponeUpdates } from "./store/pending-directory-update.js";

/** How long one message to the directory may take. */
const DELIVERY_TIMEOUT_MS = 2_500;

type SyncRequest = MessageInitShape<typeof SyncOrganizationRequestSchema>;

/** What became of a delivery. `away`: control cannot be reached at all, so there is no use in trying others. */
export type DeliveryOutcome = "delivered" | "failed" | "away";

/**
 * Tells the directory what an organization and its members are now, for the oldest of its rows, and deletes exactly
 * those rows. After a failure they stay; unless control is away, they are put off for a while.
 *
 * Safe to run twice at once: states carry versions, and each is read after the rows that ask for it.
 */
export async function deliverUpdates(context: ServiceContext, organizationId: string): Promise<DeliveryOutcome> {
  const { manager } = context.database;
  const rows = await listUpdates(manager, organizationId);
  if (rows.length === 0) return "delivered";
  const ids = rows.map((row) => row.id);
  const request = await createSyncRequest(manager, organizationId, rows);
  try {
    if (request !== undefined)
      await context.rpc.client(DirectoryService).syncOrganization(request, { timeoutMs: DELIVERY_TIMEOUT_MS });
  } catch (error) {
    if (!isAlreadyForgotten(request, error)) {
      if (isControlAway(error)) return "away";
      context.logger.warn(
        { organization_id: organizationId, err: error },
        "the directory refused news of an organization; it is told again later",
      );
      await postponeUpdates(manager, ids, describeFailure(error));
      return "failed";
    }
  }
  await deleteUpdates(manager, ids);
  return "delivered";
}

/** Undefined when nothing is left to be told: what the rows are about has gone with the organization. */
async function createSyncRequest(
  manager: EntityManager,
  organizationId: string,
  rows: readonly PendingDirectoryUpdateRow[],
): Promise<SyncRequest | undefined> {
  if (rows.some((row) => row.kind === "organization_deleted")) return { organizationId, organizationDeleted: true };
  const organization = rows.some((row) => row.kind === "organization")
    ? await readOrganizationState(manager, organizationId)
    : undefined;
  const members = await readMemberStates(manager, organizationId, rows);
  if (organization === undefined && members.length === 0) return undefined;
  return { organizationId, ...(organization === undefined ? {} : { organization }), members };
}

async function readOrganizationState(
  manager: EntityManager,
  organizationId: string,
): Promise<MessageInitShape<typeof OrganizationStateSchema> | undefined> {
  const row = await findOrganization(manager, organizationId);
  if (row === null) return undefined;
  return {
    slug: row.slug,
    name: row.name,
    status: OrganizationStatus[row.status],
    createdAt: timestampFromDate(row.createdAt),
    version: row.version,
  };
}

type MemberState = MessageInitShape<typeof OrganizationMemberStateSchema>;

async function readMemberStates(
  manager: EntityManager,
  organizationId: string,
  rows: readonly PendingDirectoryUpdateRow[],
): Promise<MemberState[]> {
  const updates = rows.filter((row) => row.kind === "member");
  if (updates.length === 0) return [];
  const memberIds = [...new Set(updates.map((row) => row.objectId))];
  const states = new Map<string, MemberState>();
  for (const member of await manager.findBy(OrganizationMemberRow, { organizationId, id: In(memberIds) })) {
    states.set(member.id, toMemberState(member));
  }
  for (const { objectId, payload } of updates) {
    if (payload !== null) states.set(objectId, { memberId: objectId, version: payload.version, isRemoved: true });
  }
  return [...states.values()];
}

function toMemberState(member: OrganizationMemberRow): MemberState {
  return {
    memberId: member.id,
    ...(member.userId === null ? {} : { userId: member.userId }),
    role: MemberRole[member.role],
    inviteStatus: InviteStatus[member.inviteStatus],
    version: member.version,
  };
}

/** A directory that knows of no such organization here has forgotten it already. */
function isAlreadyForgotten(request: SyncRequest | undefined, error: unknown): boolean {
  return request?.organizationDeleted === true && reasonOf(error) === "ORGANIZATION_NOT_OWNED";
}

const AWAY_REASONS: ReadonlySet<string | undefined> = new Set([
  "SILO_UNREACHABLE",
  "CIRCUIT_OPEN",
  "CONCURRENCY_LIMIT",
  "METHOD_DISABLED",
]);

function isControlAway(error: unknown): boolean {
  return AWAY_REASONS.has(reasonOf(error));
}

/** For operators who look into the table: a code and a reason, never what a user wrote. */
function describeFailure(error: unknown): string {
  const code = Code[ConnectError.from(error).code];
  const reason = reasonOf(error);
  return reason === undefined ? code : `${code} / ${reason}`;
}
