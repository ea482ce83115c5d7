import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { RenameOrganizationRequest } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { isUnsent, reasonOf } from "@cellway/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import type { OrganizationRename } from "../entities/organization-rename.js";
import {
  createOrganizationNotFoundError,
  createRenameFailedError,
  createRenameInProgressError,
  createRenamePendingError,
  createSlugTakenError,
} from "../errors.js";
import { assertSlugAllowed } from "../slug-rules.js";
import { findMappings, type MappingRecord } from "../store/organization-mapping.js";
import {
  deleteRename,
  findAbandonedRenames,
  findRename,
  giveRenameSlugBack,
  insertRename,
  isRenameLeased,
  lockMapping,
  movePrimarySlug,
  releaseRename,
  takeOverRename,
} from "../store/organization-rename.js";

/** How long an organization is found by a slug that it had. */
const ALIAS_LIFETIME_MS = 30 * 24 * 60 * 60 * 1000;
/** Abandoned renames that one run of the sweep looks at. */
const SWEEP_MAX = 100;

/**
 * Gives organizations other slugs, one saga each, one at a time for each organization. Every step is written down before
 * it is taken:
 *
 * 1. the new slug is reserved as RENAME and the rename gets a number;
 * 2. the cell changes the slug, and refuses an older number from then on;
 * 3. the new slug is PRIMARY, the old one an ALIAS, and the rename is deleted.
 *
 * From 1 on both slugs lead to the organization. Where the cell has surely not changed the slug, the rename is undone;
 * where that is unknown it is finished, by whoever comes next: the same call again, or the sweep.
 */
export class Renamer {
  constructor(private readonly context: ServiceContext) {}

  /** See the contract of RenameOrganization. */
  async rename({ organizationId, slug }: RenameOrganizationRequest): Promise<MappingRecord> {
    const rename = await this.begin(organizationId, slug);
    if (rename !== undefined) await this.carryOut(rename);
    const [mapping] = await findMappings(this.context.database, [organizationId]);
    if (mapping === undefined) throw createOrganizationNotFoundError(organizationId);
    return mapping;
  }

  /** Finishes or undoes what workers that died have left. A cell that does not answer delays no other. */
  async sweep(): Promise<void> {
    const abandoned = await findAbandonedRenames(this.context.database, SWEEP_MAX);
    await Promise.all([...abandoned].map(([cell, organizationIds]) => this.sweepCell(cell, organizationIds)));
  }

  private async sweepCell(cell: string, organizationIds: readonly string[]): Promise<void> {
    for (const organizationId of organizationIds) {
      const rename = await this.context.database.transaction(async (manager) => {
        await lockMapping(manager, organizationId);
        const found = await findRename(manager, organizationId);
        if (found === null || (await isRenameLeased(manager, organizationId))) return undefined;
        return takeOverRename(manager, found);
      });
      if (rename === undefined) continue;
      try {
        await this.carryOut(rename);
      } catch (error) {
        this.context.logger.warn({ organization_id: organizationId, cell, err: error }, "an abandoned rename failed");
        // The cell's other renames would wait for the same answer; the next run comes soon.
        if (reasonOf(error) === "RENAME_PENDING") return;
      }
    }
  }

  /** Decides, under a lock on the organization, what is to be done; undefined when it has the slug already. */
  private begin(organizationId: string, slug: string): Promise<OrganizationRename | undefined> {
    return this.context.database.transaction(async (manager) => {
      const mapping = await lockMapping(manager, organizationId);
      if (mapping === null) throw createOrganizationNotFoundError(organizationId);
      const known = await findRename(manager, organizationId);
      if (known !== null) {
        if (known.slug !== slug || (await isRenameLeased(manager, organizationId)))
          throw createRenameInProgressError(organizationId);
        return takeOverRename(manager, known);
      }
      if (mapping.slug === slug) return undefined;
      await assertSlugAllowed(manager, slug);
      const aliasExpiresAt = new Date(this.context.now() + ALIAS_LIFETIME_MS);
      return insertRename(manager, mapping, { slug, aliasExpiresAt });
    });
  }

  private async carryOut(rename: OrganizationRename): Promise<void> {
    const { organizationId, slug, number, aliasExpiresAt } = rename;
    try {
      await this.context.rpc.client(OrganizationService).changeOrganizationSlug({
        organizationId,
        slug,
        changeNumber: number,
        aliasExpiresAt: timestampFromDate(aliasExpiresAt),
      });
    } catch (error) {
      throw await this.giveUp(rename, error);
    }
    const isFinished = await this.context.database.transaction(async (manager) => {
      const mapping = await lockMapping(manager, organizationId);
      if (!(await deleteRename(manager, rename))) return false;
      if (mapping !== null) await movePrimarySlug(manager, rename);
      return true;
    });
    if (!isFinished) throw createRenameInProgressError(organizationId);
  }

  /** Undoes the rename where the cell has surely not changed the slug, and says what to tell the caller. */
  private async giveUp(rename: OrganizationRename, error: unknown): Promise<ConnectError> {
    const { organizationId, slug } = rename;
    if (!isSurelyUnchanged(rename, error)) {
      await releaseRename(this.context.database, rename);
      return createRenamePendingError(organizationId, error);
    }
    await this.context.database.transaction(async (manager) => {
      await lockMapping(manager, organizationId);
      if (await deleteRename(manager, rename)) await giveRenameSlugBack(manager, rename);
    });
    if (reasonOf(error) === "ORGANIZATION_CONFLICT") return createSlugTakenError(slug, error);
    if (ConnectError.from(error).code === Code.NotFound) return createOrganizationNotFoundError(organizationId);
    return createRenameFailedError(organizationId, error);
  }
}

/** What a cell answers that has not changed the slug, and never will for this number. */
const REFUSALS: ReadonlySet<string | undefined> = new Set([
  "ORGANIZATION_NOT_FOUND",
  "ORGANIZATION_CONFLICT",
  "SLUG_CHANGE_OUTDATED",
  "CELL_MAPPING_NOT_FOUND",
]);

function isSurelyUnchanged(rename: OrganizationRename, error: unknown): boolean {
  if (REFUSALS.has(reasonOf(error))) return true;
  // A worker before this one may have got through.
  if (rename.attempt > 1) return false;
  // A cell of the version before does not know the method.
  return isUnsent(error) || ConnectError.from(error).code === Code.Unimplemented;
}
