import type { EntityManager } from "typeorm";
import { LocalityRow } from "./entities/locality.js";
import { OrganizationSlugReservation } from "./entities/organization-slug-reservation.js";
import { createSlugReservedError, createSlugTakenError } from "./errors.js";

/** Words that would be taken for something else in a host name or a path. */
const RESERVED_SLUGS: ReadonlySet<string> = new Set([
  "control",
  "monolith",
  "api",
  "www",
  "admin",
  "auth",
  "ingest",
  "static",
  "new",
]);

const NAMES_LOCK = 7_202_605;

/**
 * Asserts that an organization may have the slug, as far as it is not another's, and keeps localities of that name from
 * coming until the transaction ends.
 *
 * @throws INVALID_ARGUMENT / SLUG_RESERVED.
 */
export async function assertSlugAllowed(manager: EntityManager, slug: string): Promise<void> {
  await manager.query("select pg_advisory_xact_lock_shared($1)", [NAMES_LOCK]);
  if (RESERVED_SLUGS.has(slug) || (await manager.existsBy(LocalityRow, { name: slug })))
    throw createSlugReservedError(slug);
}

/**
 * Asserts that a locality may have the name, and keeps slugs from being taken until the transaction ends: both are the
 * first label of a host name.
 *
 * @throws ALREADY_EXISTS / SLUG_TAKEN when an organization has the name as its slug, alias or next slug.
 */
export async function assertLocalityNameAllowed(manager: EntityManager, name: string): Promise<void> {
  await manager.query("select pg_advisory_xact_lock($1)", [NAMES_LOCK]);
  if (await manager.existsBy(OrganizationSlugReservation, { slug: name })) throw createSlugTakenError(name);
}
