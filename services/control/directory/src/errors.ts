import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** ALREADY_EXISTS / SLUG_TAKEN. */
export function createSlugTakenError(slug: string, cause?: unknown): ConnectError {
  return createRpcError(Code.AlreadyExists, "SLUG_TAKEN", `The slug ${slug} is taken; choose another.`, {
    metadata: { slug },
    cause,
  });
}

/** INVALID_ARGUMENT / SLUG_RESERVED. */
export function createSlugReservedError(slug: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "SLUG_RESERVED", `slug: ${slug} is reserved; choose another`, {
    metadata: { field: "slug", slug },
  });
}

/** NOT_FOUND / LOCALITY_NOT_FOUND. */
export function createLocalityNotFoundError(locality: string): ConnectError {
  return createRpcError(Code.NotFound, "LOCALITY_NOT_FOUND", `There is no locality ${locality}.`, {
    metadata: { locality },
  });
}

/** NOT_FOUND / CELL_NOT_FOUND. */
export function createCellNotFoundError(cell: string): ConnectError {
  return createRpcError(Code.NotFound, "CELL_NOT_FOUND", `There is no cell ${cell}.`, { metadata: { cell } });
}

/** RESOURCE_EXHAUSTED / LOCALITY_FULL, with what is in the way in each cell. */
export function createLocalityFullError(locality: string, reasons: readonly string[]): ConnectError {
  const why = reasons.length === 0 ? "it has no cells" : reasons.join(", ");
  return createRpcError(
    Code.ResourceExhausted,
    "LOCALITY_FULL",
    `Locality ${locality} takes no new organization: ${why}.`,
    { metadata: { locality } },
  );
}

/** INVALID_ARGUMENT / REQUEST_ID_REUSED. */
export function createRequestIdReusedError(requestId: string): ConnectError {
  return createRpcError(
    Code.InvalidArgument,
    "REQUEST_ID_REUSED",
    `request_id: ${requestId} was used for another organization; choose a new one`,
    { metadata: { field: "request_id", request_id: requestId } },
  );
}

/** ABORTED / PROVISIONING_IN_PROGRESS: repeat the call. */
export function createInProgressError(requestId: string): ConnectError {
  return createRpcError(
    Code.Aborted,
    "PROVISIONING_IN_PROGRESS",
    `Request ${requestId} is being worked on; repeat it in a moment.`,
    {
      metadata: { request_id: requestId },
    },
  );
}

/** UNAVAILABLE / PROVISIONING_FAILED: nothing is taken; the same request may be repeated. */
export function createProvisioningFailedError(cell: string, cause: unknown): ConnectError {
  return createRpcError(
    Code.Unavailable,
    "PROVISIONING_FAILED",
    `Cell ${cell} did not create the organization; nothing is taken, and the same request can be repeated.`,
    { metadata: { cell }, cause },
  );
}

/** PERMISSION_DENIED / ORGANIZATION_NOT_OWNED, for a cell that asks about another cell. */
export function createNotOwnCellError(caller: string, cell: string): ConnectError {
  return createRpcError(
    Code.PermissionDenied,
    "ORGANIZATION_NOT_OWNED",
    `${caller} may not list the organizations of ${cell}.`,
    {
      metadata: { caller, cell },
    },
  );
}

/** FAILED_PRECONDITION / SLUG_NOT_RESERVED: the cell says another slug than the directory reserved. */
export function createSlugMismatchError(organizationId: string, slug: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "SLUG_NOT_RESERVED",
    `The slug ${slug} is not the one that is reserved for organization ${organizationId}.`,
    { metadata: { organization_id: organizationId, slug } },
  );
}

/** FAILED_PRECONDITION / ORGANIZATION_NOT_MAPPED: a cell tells of an organization that the directory does not have. */
export function createMappingMissingError(organizationId: string, cause?: unknown): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "ORGANIZATION_NOT_MAPPED",
    `The directory has no organization ${organizationId}.`,
    { metadata: { organization_id: organizationId }, cause },
  );
}

/** ABORTED / WATCHER_TOO_SLOW: go on with the last cursor. */
export function createTooSlowError(): ConnectError {
  return createRpcError(
    Code.Aborted,
    "WATCHER_TOO_SLOW",
    "Too many changes wait for this consumer; go on with the last cursor.",
  );
}

/** UNAVAILABLE / ROUTE_FEED_STOPPED: this process stops; go on with the last cursor, at another one. */
export function createFeedStoppedError(): ConnectError {
  return createRpcError(Code.Unavailable, "ROUTE_FEED_STOPPED", "The route feed of this process stops.");
}

/** ALREADY_EXISTS / PUBLIC_KEY_TAKEN: two projects have the same public key. */
export function createPublicKeyTakenError(projectKeyId: string, cause: unknown): ConnectError {
  return createRpcError(
    Code.AlreadyExists,
    "PUBLIC_KEY_TAKEN",
    `The public key of project key ${projectKeyId} is that of another project.`,
    { metadata: { project_key_id: projectKeyId }, cause },
  );
}

/** NOT_FOUND / ORGANIZATION_NOT_FOUND: no organization of this id is mapped. */
export function createOrganizationNotFoundError(organizationId: string): ConnectError {
  return createRpcError(Code.NotFound, "ORGANIZATION_NOT_FOUND", `There is no organization ${organizationId}.`, {
    metadata: { organization_id: organizationId },
  });
}

/** ABORTED / RENAME_IN_PROGRESS: repeat the call. */
export function createRenameInProgressError(organizationId: string): ConnectError {
  return createRpcError(
    Code.Aborted,
    "RENAME_IN_PROGRESS",
    `Organization ${organizationId} is being renamed; repeat the call in a moment.`,
    { metadata: { organization_id: organizationId } },
  );
}

/** UNAVAILABLE / RENAME_FAILED: nothing is changed or taken; the same call may be repeated. */
export function createRenameFailedError(organizationId: string, cause: unknown): ConnectError {
  return createRpcError(
    Code.Unavailable,
    "RENAME_FAILED",
    `The cell of organization ${organizationId} could not be asked; nothing is changed, and the call can be repeated.`,
    { metadata: { organization_id: organizationId }, cause },
  );
}

/** UNAVAILABLE / RENAME_PENDING: it will be finished. */
export function createRenamePendingError(organizationId: string, cause: unknown): ConnectError {
  return createRpcError(
    Code.Unavailable,
    "RENAME_PENDING",
    `The cell of organization ${organizationId} has not answered; the rename is finished as soon as it does.`,
    { metadata: { organization_id: organizationId }, cause },
  );
}

/** ALREADY_EXISTS / CELL_EXISTS. */
export function createCellExistsError(cell: string, cause?: unknown): ConnectError {
  return createRpcError(
    Code.AlreadyExists,
    "CELL_EXISTS",
    `There is another cell with the name ${cell}, or with its number or address.`,
    { metadata: { cell }, cause },
  );
}

/** FAILED_PRECONDITION / CELL_NUMBER_USED. */
export function createCellNumberUsedError(number: number, cell: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "CELL_NUMBER_USED",
    `The number ${number} was that of cell ${cell}, which was removed; ids carry it. Choose one that was never used.`,
    { metadata: { number: String(number), cell } },
  );
}

/** What keeps a cell from being removed. */
export interface CellContents {
  readonly organizations: number;
  /** Slugs of organizations that are not mapped. */
  readonly reservations: number;
  /** Requests to create an organization there that are not finished. */
  readonly provisioning: number;
}

/** FAILED_PRECONDITION / CELL_NOT_EMPTY, with the counts. */
export function createCellNotEmptyError(cell: string, contents: CellContents): ConnectError {
  const { organizations, reservations, provisioning } = contents;
  return createRpcError(
    Code.FailedPrecondition,
    "CELL_NOT_EMPTY",
    `Cell ${cell} still has ${organizations} organizations, ${reservations} other reserved slugs and ${provisioning} unfinished creations.`,
    {
      metadata: {
        cell,
        organizations: String(organizations),
        reservations: String(reservations),
        provisioning: String(provisioning),
      },
    },
  );
}

/** FAILED_PRECONDITION / CELL_IN_USE. */
export function createCellInUseError(cell: string, locality: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "CELL_IN_USE",
    `Cell ${cell} is where locality ${locality} creates organizations; name another, or none, with UpdateLocality first.`,
    { metadata: { cell, locality } },
  );
}

/** FAILED_PRECONDITION / MONOLITH_CELLS_FIXED. */
export function createMonolithCellsFixedError(): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "MONOLITH_CELLS_FIXED",
    "A monolith's cells are those of its configuration; they cannot be changed while it runs.",
  );
}

/** ALREADY_EXISTS / LOCALITY_EXISTS. */
export function createLocalityExistsError(locality: string): ConnectError {
  return createRpcError(Code.AlreadyExists, "LOCALITY_EXISTS", `There is another locality ${locality}.`, {
    metadata: { locality },
  });
}

/** FAILED_PRECONDITION / LOCALITY_NOT_EMPTY, with the count. */
export function createLocalityNotEmptyError(locality: string, cells: number): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "LOCALITY_NOT_EMPTY",
    `Locality ${locality} still has ${cells} cells; remove them first.`,
    { metadata: { locality, cells: String(cells) } },
  );
}

/** INVALID_ARGUMENT / INVALID_FIELD for what the contract cannot say. */
export function createInvalidFieldError(field: string, rule: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", `${field}: ${rule}`, { metadata: { field } });
}
