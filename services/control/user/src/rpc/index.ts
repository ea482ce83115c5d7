import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { addUserEmail } from "./add-user-email.js";
import { batchGetUsers } from "./batch-get-users.js";
import { createApiToken } from "./create-api-token.js";
import { createUser } from "./create-user.js";
import { deleteUser } from "./delete-user.js";
import { flushSessions } from "./flush-sessions.js";
import { getOrCreateUserByEmail } from "./get-or-create-user-by-email.js";
import { getUser } from "./get-user.js";
import { getUserByUsername } from "./get-user-by-username.js";
import { listApiTokens } from "./list-api-tokens.js";
import { listUserCells } from "./list-user-cells.js";
import { listUserOrganizations } from "./list-user-organizations.js";
import { listUsersByEmail } from "./list-users-by-email.js";
import { removeUserEmail } from "./remove-user-email.js";
import { requestEmailVerification } from "./request-email-verification.js";
import { revokeApiToken } from "./revoke-api-token.js";
import { updateUser } from "./update-user.js";
import { verifyApiToken } from "./verify-api-token.js";
import { verifyEmail } from "./verify-email.js";

/** UserService, as control serves it. */
export function createUserRpc(context: ServiceContext): ServiceImpl<typeof UserService> {
  return {
    getUser: getUser(context),
    batchGetUsers: batchGetUsers(context),
    listUsersByEmail: listUsersByEmail(context),
    getUserByUsername: getUserByUsername(context),
    createUser: createUser(context),
    getOrCreateUserByEmail: getOrCreateUserByEmail(context),
    updateUser: updateUser(context),
    addUserEmail: addUserEmail(context),
    removeUserEmail: removeUserEmail(context),
    requestEmailVerification: requestEmailVerification(context),
    verifyEmail: verifyEmail(context),
    listUserOrganizations: listUserOrganizations(context),
    listUserCells: listUserCells(context),
    flushSessions: flushSessions(context),
    deleteUser: deleteUser(context),
    createApiToken: createApiToken(context),
    verifyApiToken: verifyApiToken(context),
    listApiTokens: listApiTokens(context),
    revokeApiToken: revokeApiToken(context),
  };
}
