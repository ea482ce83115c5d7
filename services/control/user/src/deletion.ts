import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import type { ServiceContext } from "@cellway/host";
import { PAGE_SIZE_MAX } from "@cellway/rpc";
import { createDeletionCancelledError, createDeletionPendingError, createLastOwnerError } from "./errors.js";
import { cancelDeletion, completeDeletion, type DeletionAttempt } from "./store/user-deletion.js";

/** Cells that are told at once. */
const CELLS_AT_ONCE = 8;

/** What the cells answered. */
interface Removal {
  /** Organizations that would have no owner. */
  readonly blockedOrganizationIds: string[];
  /** Cells that failed to answer. */
  readonly failedCells: string[];
  /** Why the first of them failed. */
  readonly cause: unknown;
}

/**
 * Removes a user that is inactive from every cell, then deletes it. Safe to repeat, and to run twice at once.
 *
 * @returns false when somebody else deleted it first.
 * @throws UNAVAILABLE / USER_DELETION_PENDING, FAILED_PRECONDITION / LAST_OWNER, ABORTED / USER_DELETION_CANCELLED
 */
export async function finishDeletion(context: ServiceContext, deletion: DeletionAttempt): Promise<boolean> {
  const { userId } = deletion;
  for (const cells of await planCells(context, deletion)) {
    const removal = await removeFromCells(context, deletion, cells);
    if (removal.blockedOrganizationIds.length > 0) {
      await cancelDeletion(context.database, deletion, new Date(context.now()));
      throw createLastOwnerError(userId, removal.blockedOrganizationIds);
    }
    if (removal.failedCells.length > 0) throw createDeletionPendingError(userId, removal.failedCells, removal.cause);
  }
  const outcome = await completeDeletion(context.database, userId);
  if (outcome === "cancelled") throw createDeletionCancelledError(userId);
  return outcome === "deleted";
}

/**
 * All cells, in groups, one after the other: the directory may not have heard yet of a membership in any of them. Only
 * where the user is an owner can its removal be refused: those come first, so that a deletion that is given up has, as
 * far as the directory knows, removed nothing.
 */
async function planCells(context: ServiceContext, { userId, isForced }: DeletionAttempt): Promise<string[][]> {
  const { cells } = await context.rpc.client(DirectoryService).listCells({});
  const cellNames = cells.map(({ name }) => name);
  if (isForced) return [cellNames];
  const owning = await findOwningCells(context, userId);
  return [cellNames.filter((cell) => owning.has(cell)), cellNames.filter((cell) => !owning.has(cell))];
}

async function findOwningCells(context: ServiceContext, userId: string): Promise<ReadonlySet<string>> {
  const directory = context.rpc.client(DirectoryService);
  const cells = new Set<string>();
  let pageToken = "";
  do {
    const page = await directory.listUserOrganizations({ userId, pageSize: PAGE_SIZE_MAX, pageToken });
    for (const { organization, role } of page.organizations) {
      if (organization !== undefined && role === MemberRole.OWNER) cells.add(organization.cellName);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return cells;
}

/** Asks every cell, also when some fail. */
async function removeFromCells(
  context: ServiceContext,
  deletion: DeletionAttempt,
  cellNames: readonly string[],
): Promise<Removal> {
  const organizations = context.rpc.client(OrganizationService);
  const { userId, isForced: force } = deletion;
  const blocked: string[] = [];
  const failures: { cellName: string; cause: unknown }[] = [];
  const removeFrom = async (cellName: string) => {
    try {
      const { blockedOrganizationIds } = await organizations.removeUser({ cellName, userId, force });
      blocked.push(...blockedOrganizationIds);
    } catch (cause) {
      failures.push({ cellName, cause });
    }
  };
  const waiting = [...cellNames];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await removeFrom(next);
  };
  await Promise.all(Array.from({ length: CELLS_AT_ONCE }, work));
  return {
    blockedOrganizationIds: blocked.toSorted((one, other) => Number(BigInt(one) - BigInt(other))),
    failedCells: failures.map(({ cellName }) => cellName).toSorted(),
    cause: failures[0]?.cause,
  };
}
