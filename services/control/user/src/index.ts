import { UserTombstoneSchema } from "@cellway/gen/cellway/user/v1/tombstones";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { implementContract, type ServiceModule } from "@cellway/host";
import { tellDeletions } from "@cellway/tombstones";
import { ApiTokenRow } from "./entities/api-token.js";
import { UserRow } from "./entities/user.js";
import { UserCreateRequestRow } from "./entities/user-create-request.js";
import { UserDeletionRow } from "./entities/user-deletion.js";
import { UserEmailRow } from "./entities/user-email.js";
import { apiTokenReplicas } from "./outbox/api-tokens.js";
import { userReplicas } from "./outbox/users.js";
import { userRoutes } from "./routes.js";
import { createUserRpc } from "./rpc/index.js";
import { finishDeletions } from "./tasks/finish-deletions.js";
import { settleCells } from "./tasks/settle-cells.js";

/** Users, their addresses, sessions and API tokens: control's. */
export const userModule: ServiceModule = {
  name: "user",
  localMode: "CONTROL",
  entities: [UserRow, UserEmailRow, UserCreateRequestRow, UserDeletionRow, ApiTokenRow],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(UserService, createUserRpc(context))],
  tasks: [finishDeletions, settleCells],
  routes: userRoutes,
  sends: [userReplicas, apiTokenReplicas],
  tombstones: [tellDeletions(UserTombstoneSchema, "user")],
};
