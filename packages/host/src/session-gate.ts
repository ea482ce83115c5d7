import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { Principal } from "@cellway/http";
import { createRpcError, detachFromCall, type RpcCaller, reasonOf } from "@cellway/rpc";
import { isLocalTo, type Silo } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";
import { Code } from "@connectrpc/connect";
import { createPrincipalFinder } from "./find-principal.js";
import { RecentKeys } from "./recent-keys.js";

/** How the secret of a session looks; anything else is refused without asking anybody. */
const SESSION_PATTERN = /^cws_[A-Za-z0-9_-]{43}$/;
/** In which control is told of a use, or is tried to be told, once, in milliseconds. */
const USE_QUIET_MS = 60_000;
/** The most sessions of which that is remembered. */
const TOLD_MAX = 10_000;

/** What the gate of a silo asks. */
interface GateParts {
  readonly silo: Silo;
  readonly rpc: RpcCaller;
  readonly logger: Logger;
  readonly now: () => number;
}

/**
 * How the HTTP server of a silo learns whom a session speaks for. A cell asks its own replicas first, so that members are
 * known while control is away, and tells control now and then that the session is used; one that it does not know it asks
 * control for.
 */
export function createSessionGate(parts: GateParts): (secret: string) => Promise<Principal | undefined> {
  const { silo, rpc, logger, now } = parts;
  const told = new RecentKeys(USE_QUIET_MS, TOLD_MAX, now);
  const tellUse = (token: string, sessionId: string): void => {
    if (told.has(sessionId)) return;
    told.add(sessionId);
    detachFromCall(() => askControl(rpc, token)).catch((error: unknown) => {
      logger.debug({ err: error, session_id: sessionId }, "control could not be told that a session is used");
    });
  };
  const findInCell = async (cellName: string, token: string): Promise<Principal | undefined> => {
    const request = { cellName, token };
    // The replicas are in this process, which was built with them.
    if (!(await rpc.peerSupports(ReplicaService.method.verifySession, request))) return undefined;
    const { verified } = await rpc.client(ReplicaService).verifySession(request);
    if (verified?.isUseDue === true) tellUse(token, verified.sessionId);
    return verified && toPrincipal(verified.userId, verified.sessionId);
  };
  return createPrincipalFinder({ pattern: SESSION_PATTERN, now }, async (secret) => {
    const [cellName] = silo.cells;
    const known = isLocalTo(silo, "CONTROL") || cellName === undefined ? undefined : await findInCell(cellName, secret);
    return known ?? (await askControl(rpc, secret));
  });
}

/** @throws UNAVAILABLE when control is away, or runs code without sessions beside code that has them. */
async function askControl(rpc: RpcCaller, token: string): Promise<Principal | undefined> {
  if (!(await rpc.peerSupports(SessionService.method.verifySession, { token }))) throw createUnavailable();
  try {
    const { verified } = await rpc.client(SessionService).verifySession({ token });
    return verified && toPrincipal(verified.userId, verified.id);
  } catch (error) {
    // A process of the release before has answered, the first one that was seen: a deploy has begun, or is taken back.
    throw reasonOf(error) === "PEER_TOO_OLD" ? createUnavailable() : error;
  }
}

function createUnavailable(): Error {
  return createRpcError(Code.Unavailable, "SESSIONS_UNAVAILABLE", "Control does not know sessions yet.");
}

function toPrincipal(userId: string, sessionId: string): Principal {
  return { userId, tokenId: undefined, sessionId, scopes: "ALL" };
}
