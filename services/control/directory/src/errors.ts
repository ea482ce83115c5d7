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
