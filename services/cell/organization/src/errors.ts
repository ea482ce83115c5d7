import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** NOT_FOUND / ORGANIZATION_NOT_FOUND. */
export function createOrganizationNotFoundError(organizationId: string): ConnectError {
  return createRpcError(
    Code.NotFound,
    "ORGANIZATION_NOT_FOUND",
    `There is no organization ${organizationId} in this cell.`,
    {
      metadata: { organization_id: organizationId },
    },
  );
}

/** ALREADY_EXISTS / ORGANIZATION_CONFLICT: another organization has the id or the slug, or it has another owner. */
export function createOrganizationConflictError(organizationId: string, slug: string, cause?: unknown): ConnectError {
  return createRpcError(
    Code.AlreadyExists,
    "ORGANIZATION_CONFLICT",
    `Organization ${organizationId} with slug ${slug} is at odds with one that is there.`,
    { metadata: { organization_id: organizationId, slug }, cause },
  );
}

/** FAILED_PRECONDITION / ORGANIZATION_CREATION_CANCELLED: given up, or purged; the id is never used again. */
export function createCreationCancelledError(organizationId: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "ORGANIZATION_CREATION_CANCELLED",
    `Organization ${organizationId} was given up or purged, and cannot come back.`,
    { metadata: { organization_id: organizationId } },
  );
}

/** FAILED_PRECONDITION / SLUG_CHANGE_OUTDATED: the directory has asked for a later change meanwhile. */
export function createSlugChangeOutdatedError(organizationId: string, slug: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "SLUG_CHANGE_OUTDATED",
    `The slug ${slug} comes late: organization ${organizationId} was given another after it.`,
    { metadata: { organization_id: organizationId, slug } },
  );
}

/** FAILED_PRECONDITION / ORGANIZATION_CONFIRMED. */
export function createOrganizationConfirmedError(organizationId: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "ORGANIZATION_CONFIRMED",
    `The creation of organization ${organizationId} was confirmed and cannot be cancelled; delete it instead.`,
    { metadata: { organization_id: organizationId } },
  );
}

/** FAILED_PRECONDITION / ORGANIZATION_NOT_CONFIRMED: repeat the call. */
export function createOrganizationNotConfirmedError(organizationId: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "ORGANIZATION_NOT_CONFIRMED",
    `Organization ${organizationId} is still being created; repeat the call in a moment.`,
    { metadata: { organization_id: organizationId } },
  );
}

/** FAILED_PRECONDITION / SEVERAL_ORGANIZATIONS. */
export function createSeveralOrganizationsError(): ConnectError {
  return createRpcError(Code.FailedPrecondition, "SEVERAL_ORGANIZATIONS", "There are several organizations; name one.");
}

/** NOT_FOUND / MEMBER_NOT_FOUND. */
export function createMemberNotFoundError(memberId: string): ConnectError {
  return createRpcError(Code.NotFound, "MEMBER_NOT_FOUND", `The organization has no member ${memberId}.`, {
    metadata: { member_id: memberId },
  });
}

/** ALREADY_EXISTS / MEMBER_EXISTS. */
export function createMemberExistsError(cause?: unknown): ConnectError {
  return createRpcError(Code.AlreadyExists, "MEMBER_EXISTS", "The user or the email is in the organization already.", {
    cause,
  });
}

/** FAILED_PRECONDITION / LAST_OWNER. */
export function createLastOwnerError(memberId: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "LAST_OWNER",
    `Member ${memberId} is the organization's last owner; make another member an owner first.`,
    { metadata: { member_id: memberId } },
  );
}

/** PERMISSION_DENIED / INVITE_TOKEN_INVALID. */
export function createInviteTokenInvalidError(memberId: string): ConnectError {
  return createRpcError(Code.PermissionDenied, "INVITE_TOKEN_INVALID", "The token is not that of the invitation.", {
    metadata: { member_id: memberId },
  });
}

/** FAILED_PRECONDITION / INVITE_ACCEPTED. */
export function createInviteAcceptedError(memberId: string): ConnectError {
  return createRpcError(Code.FailedPrecondition, "INVITE_ACCEPTED", "Another user has accepted the invitation.", {
    metadata: { member_id: memberId },
  });
}

/** NOT_FOUND / TEAM_NOT_FOUND. */
export function createTeamNotFoundError(teamId: string): ConnectError {
  return createRpcError(Code.NotFound, "TEAM_NOT_FOUND", `The organization has no team ${teamId}.`, {
    metadata: { team_id: teamId },
  });
}

/** INVALID_ARGUMENT / INVALID_FIELD: the update mask names a field that the request does not set. */
export function createFieldNotSetError(field: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", `${field}: must be set, since update_mask names it`, {
    metadata: { field },
  });
}

/** ALREADY_EXISTS / TEAM_EXISTS. */
export function createTeamExistsError(slug: string, cause?: unknown): ConnectError {
  return createRpcError(Code.AlreadyExists, "TEAM_EXISTS", `The organization has a team ${slug} already.`, {
    metadata: { slug },
    cause,
  });
}

/** ALREADY_EXISTS / PROJECT_EXISTS. */
export function createProjectExistsError(slug: string, cause?: unknown): ConnectError {
  return createRpcError(Code.AlreadyExists, "PROJECT_EXISTS", `The organization has a project ${slug} already.`, {
    metadata: { slug },
    cause,
  });
}

/** NOT_FOUND / PROJECT_NOT_FOUND. */
export function createProjectNotFoundError(projectId: string, cause?: unknown): ConnectError {
  return createRpcError(Code.NotFound, "PROJECT_NOT_FOUND", `The organization has no project ${projectId}.`, {
    metadata: { project_id: projectId },
    cause,
  });
}

/** INVALID_ARGUMENT / INVALID_FIELD for what the contract cannot say. */
export function createInvalidFieldError(field: string, rule: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", `${field}: ${rule}`, { metadata: { field } });
}
