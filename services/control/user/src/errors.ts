import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** The most addresses of a user. */
export const EMAILS_MAX = 20;
/** The most API tokens of a user. */
export const API_TOKENS_MAX = 100;
/** The most organizations that an error names. */
const ORGANIZATIONS_NAMED_MAX = 200;

/** A field breaks a rule that the contract cannot state. */
export function createInvalidFieldError(field: string, problem: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", `${field}: ${problem}`, { metadata: { field } });
}

/** There is no such user. */
export function createUserNotFoundError(userId: string): ConnectError {
  return createRpcError(Code.NotFound, "USER_NOT_FOUND", `There is no user ${userId}.`, {
    metadata: { user_id: userId },
  });
}

/** The user is being deleted and cannot be changed. */
export function createUserPendingDeletionError(userId: string): ConnectError {
  return createRpcError(Code.FailedPrecondition, "USER_PENDING_DELETION", `User ${userId} is being deleted.`, {
    metadata: { user_id: userId },
  });
}

/** The user cannot do this while it is inactive. */
export function createUserInactiveError(userId: string): ConnectError {
  return createRpcError(Code.FailedPrecondition, "USER_INACTIVE", `User ${userId} is inactive.`, {
    metadata: { user_id: userId },
  });
}

/** Another user has the username. */
export function createUsernameTakenError(username: string, cause?: unknown): ConnectError {
  return createRpcError(Code.AlreadyExists, "USERNAME_TAKEN", `The username ${username} is taken.`, {
    metadata: { username },
    cause,
  });
}

/** Nobody may have the username. */
export function createUsernameReservedError(username: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "USERNAME_RESERVED", `username: ${username} is reserved`, {
    metadata: { field: "username" },
  });
}

/** The request id stands for other content. */
export function createRequestIdReusedError(requestId: string): ConnectError {
  return createRpcError(
    Code.InvalidArgument,
    "REQUEST_ID_REUSED",
    `request_id: ${requestId} was used for other content`,
    {
      metadata: { field: "request_id" },
    },
  );
}

/** The user does not have the address. */
export function createEmailNotFoundError(userId: string, email: string): ConnectError {
  return createRpcError(Code.NotFound, "EMAIL_NOT_FOUND", `User ${userId} does not have the address ${email}.`, {
    metadata: { user_id: userId, email },
  });
}

/** Only a verified address can be the primary one. */
export function createEmailNotVerifiedError(email: string): ConnectError {
  return createRpcError(Code.FailedPrecondition, "EMAIL_NOT_VERIFIED", `The address ${email} is not verified.`, {
    metadata: { email },
  });
}

/** There is nothing left to prove. */
export function createEmailAlreadyVerifiedError(email: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "EMAIL_ALREADY_VERIFIED",
    `The address ${email} is already verified.`,
    {
      metadata: { email },
    },
  );
}

/** A user must keep its primary address. */
export function createEmailIsPrimaryError(email: string): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "EMAIL_IS_PRIMARY",
    `The address ${email} is the primary one; make another primary first.`,
    {
      metadata: { email },
    },
  );
}

/** The user has as many addresses as it may. */
export function createEmailLimitError(): ConnectError {
  return createRpcError(Code.ResourceExhausted, "EMAIL_LIMIT", `A user has at most ${EMAILS_MAX} addresses.`, {
    metadata: { limit: String(EMAILS_MAX) },
  });
}

/** The token was not made for this user and address, or was replaced. Does not say which, nor whether they exist. */
export function createVerificationTokenInvalidError(): ConnectError {
  return createRpcError(Code.InvalidArgument, "VERIFICATION_TOKEN_INVALID", "token: does not verify this address", {
    metadata: { field: "token" },
  });
}

/** The token was right once. */
export function createVerificationTokenExpiredError(): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "VERIFICATION_TOKEN_EXPIRED",
    "The token has expired; ask for another.",
  );
}

/** The user has as many API tokens as it may. */
export function createApiTokenLimitError(): ConnectError {
  return createRpcError(
    Code.ResourceExhausted,
    "API_TOKEN_LIMIT",
    `A user has at most ${API_TOKENS_MAX} API tokens; revoke one.`,
    {
      metadata: { limit: String(API_TOKENS_MAX) },
    },
  );
}

/** Some cells could not be told yet. The deletion goes on by itself. */
export function createDeletionPendingError(userId: string, cellNames: readonly string[], cause: unknown): ConnectError {
  const cells = cellNames.join(",");
  return createRpcError(
    Code.Unavailable,
    "USER_DELETION_PENDING",
    `User ${userId} is inactive and will be deleted once ${cells} did its part.`,
    {
      metadata: { user_id: userId, cells },
      cause,
    },
  );
}

/** The deletion would leave organizations without an owner. */
export function createLastOwnerError(userId: string, organizationIds: readonly string[]): ConnectError {
  return createRpcError(
    Code.FailedPrecondition,
    "LAST_OWNER",
    `User ${userId} is the last owner of ${organizationIds.length} organization(s).`,
    {
      metadata: { user_id: userId, organization_ids: organizationIds.slice(0, ORGANIZATIONS_NAMED_MAX).join(",") },
    },
  );
}

/** Another call gave the deletion up while this one worked on it. */
export function createDeletionCancelledError(userId: string): ConnectError {
  return createRpcError(
    Code.Aborted,
    "USER_DELETION_CANCELLED",
    `The deletion of user ${userId} was given up by another call.`,
    {
      metadata: { user_id: userId },
    },
  );
}

/** So many passwords wait to be checked that another would wait too long. */
export function createPasswordChecksBusyError(): ConnectError {
  return createRpcError(Code.Unavailable, "PASSWORD_CHECKS_BUSY", "Too many logins at once; try again in a moment.");
}

/** The current password is another one, or there is none. */
export function createPasswordWrongError(): ConnectError {
  return createRpcError(Code.PermissionDenied, "PASSWORD_WRONG", "The current password is not right.");
}
