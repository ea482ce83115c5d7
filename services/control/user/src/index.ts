import { SessionService } from "@cellway/gen/cellway/user/v1/session";
import { UserTombstoneSchema } from "@cellway/gen/cellway/user/v1/tombstones";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { implementContract, type ServiceModule } from "@cellway/host";
import { tellDeletions } from "@cellway/tombstones";
import { ApiTokenRow } from "./entities/api-token.js";
import { SessionRow } from "./entities/session.js";
import { UserRow } from "./entities/user.js";
import { UserCreateRequestRow } from "./entities/user-create-request.js";
import { UserDeletionRow } from "./entities/user-deletion.js";
import { UserEmailRow } from "./entities/user-email.js";
import { apiTokenReplicas } from "./outbox/api-tokens.js";
import { sessionReplicas } from "./outbox/sessions.js";
import { userReplicas } from "./outbox/users.js";
import { createPasswordHasher, DEFAULT_PASSWORD_HASHING, type PasswordHashing } from "./password-hasher.js";
import { userRoutes } from "./routes.js";
import { createUserRpc } from "./rpc/index.js";
import { createSessionRpc } from "./rpc/sessions.js";
import { DEFAULT_SESSION_TIMEOUTS, type SessionTimeouts } from "./session-limits.js";
import { sessionRoutes } from "./session-routes.js";
import { endSessions } from "./tasks/end-sessions.js";
import { finishDeletions } from "./tasks/finish-deletions.js";
import { settleCells } from "./tasks/settle-cells.js";

export { DEFAULT_SESSION_TIMEOUTS, type SessionTimeouts } from "./session-limits.js";

/** What users' service is told besides what every service knows. */
export interface UserOptions {
  /** How long new sessions last. Default {@link DEFAULT_SESSION_TIMEOUTS}. */
  readonly sessions?: SessionTimeouts;
  /** What hashes of passwords cost. Default {@link DEFAULT_PASSWORD_HASHING}; less only where nobody's password is kept. */
  readonly hashing?: PasswordHashing;
}

/** Users, their addresses, passwords, sessions and API tokens: control's. */
export function createUserModule({
  sessions = DEFAULT_SESSION_TIMEOUTS,
  hashing = DEFAULT_PASSWORD_HASHING,
}: UserOptions = {}): ServiceModule {
  return {
    ...USER,
    contracts: (context) => [
      implementContract(UserService, createUserRpc(context)),
      implementContract(
        SessionService,
        createSessionRpc(context, { hasher: createPasswordHasher(hashing), timeouts: sessions }),
      ),
    ],
  };
}

const USER: Omit<ServiceModule, "contracts"> = {
  name: "user",
  localMode: "CONTROL",
  entities: [UserRow, UserEmailRow, UserCreateRequestRow, UserDeletionRow, ApiTokenRow, SessionRow],
  migrations: new URL("../migrations/", import.meta.url),
  tasks: [finishDeletions, settleCells, endSessions],
  routes: [...userRoutes, ...sessionRoutes],
  sends: [userReplicas, apiTokenReplicas, sessionReplicas],
  tombstones: [tellDeletions(UserTombstoneSchema, "user")],
};

/** {@link createUserModule} with nothing said. */
export const userModule: ServiceModule = createUserModule();
