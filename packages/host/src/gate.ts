import { cellNumberOfSnowflake } from "@cellway/database";
import { UserIpService } from "@cellway/gen/cellway/audit/v1/user_ip";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import {
  type Gate,
  type MemberRoleName,
  type Principal,
  parseOrganizationKey,
  type RouteOrganization,
} from "@cellway/http";
import { detachFromCall, type RpcCaller } from "@cellway/rpc";
import { isLocalTo, type PublicLocality, type Silo, type Topology, toPublicLocality } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";
import { createElsewhereFinder } from "./elsewhere.js";
import { createPrincipalFinder } from "./find-principal.js";
import { RecentKeys } from "./recent-keys.js";
import { createSessionGate } from "./session-gate.js";

/** How an API token looks; anything else is refused without asking anybody. */
const TOKEN_PATTERN = /^cwu_[A-Za-z0-9_-]{43}$/;
/** In which the address of a user is noted once, in milliseconds. */
const ADDRESS_QUIET_MS = 60_000;
/** The most addresses that are remembered. */
const ADDRESSES_MAX = 10_000;

/** What the gate of a silo asks. */
interface GateParts {
  readonly silo: Silo;
  readonly topology: Topology;
  readonly rpc: RpcCaller;
  readonly logger: Logger;
  readonly now: () => number;
}

/**
 * How the HTTP server of a silo learns who asks. A cell asks its own replicas first, so that members are known while
 * control is away; a token that it does not know, such as that of somebody who is only invited, it asks control for.
 */
export function createSiloGate(parts: GateParts): Gate {
  const noted = new RecentKeys(ADDRESS_QUIET_MS, ADDRESSES_MAX, parts.now);
  const { now } = parts;
  const authenticateToken = createPrincipalFinder({ pattern: TOKEN_PATTERN, now }, (token) =>
    verifyToken(parts, token),
  );
  const authenticateSession = createSessionGate(parts);
  return {
    authenticate: (_localMode, token) => authenticateToken(token),
    authenticateSession: (_localMode, secret) => authenticateSession(secret),
    findOrganization: (idOrSlug, userId, { asStranger }) =>
      asStranger ? findAnyOrganization(parts, idOrSlug) : findOwnOrganization(parts, idOrSlug, userId),
    ...(parts.silo.mode === "CELL" && {
      findElsewhere: createElsewhereFinder({ ...parts, cellName: parts.silo.name }),
    }),
    noteUse(localMode, { userId }, ipAddress) {
      const [cellName] = parts.silo.cells;
      if (localMode !== "CELL" || cellName === undefined || ipAddress.includes("%")) return;
      const key = `${userId} ${ipAddress}`;
      if (noted.has(key)) return;
      noted.add(key);
      const record = () => parts.rpc.client(UserIpService).recordUserIp({ cellName, userId, ipAddress });
      detachFromCall(record).catch((error: unknown) => {
        parts.logger.warn({ err: error, user_id: userId }, "the address of a user could not be noted");
      });
    },
  };
}

/** Asks the replicas of a cell, then control. @throws UNAVAILABLE when only control could tell and is away. */
async function verifyToken({ silo, rpc }: GateParts, token: string): Promise<Principal | undefined> {
  const [cellName] = silo.cells;
  if (!isLocalTo(silo, "CONTROL") && cellName !== undefined) {
    const { verified } = await rpc.client(ReplicaService).verifyApiToken({ cellName, token });
    if (verified !== undefined) return toPrincipal(verified);
  }
  const { verified } = await rpc.client(UserService).verifyApiToken({ token });
  return verified === undefined ? undefined : toPrincipal(verified);
}

function toPrincipal({
  userId,
  tokenId,
  scopes,
}: {
  userId: string;
  tokenId: string;
  scopes: readonly string[];
}): Principal {
  return { userId, tokenId, sessionId: undefined, scopes: new Set(scopes) };
}

/** The organization, active and with `userId` as a member; else undefined, whatever the cause. */
async function findOwnOrganization(
  { rpc, silo, topology }: GateParts,
  idOrSlug: string,
  userId: string,
): Promise<RouteOrganization | undefined> {
  const client = rpc.client(OrganizationService);
  const key = parseOrganizationKey(idOrSlug);
  if (key === undefined) return undefined;
  const organizationId =
    key.kind === "id" ? key.value : (await client.getOrganizationBySlug({ slug: key.value, userId })).organization?.id;
  if (organizationId === undefined) return undefined;
  const { organization, membership } = await client.getOrganization({ organizationId, userId });
  if (organization?.status !== OrganizationStatus.ACTIVE) return undefined;
  if (membership?.inviteStatus !== InviteStatus.ACCEPTED) return undefined;
  const { id, slug } = organization;
  const locality = findLocality(silo, topology, id);
  return { id, slug, locality, role: MemberRole[membership.role] as MemberRoleName };
}

async function findAnyOrganization(
  { rpc, silo, topology }: GateParts,
  idOrSlug: string,
): Promise<RouteOrganization | undefined> {
  const client = rpc.client(OrganizationService);
  const key = parseOrganizationKey(idOrSlug);
  if (key === undefined) return undefined;
  const { organization } =
    key.kind === "id"
      ? await client.getOrganization({ organizationId: key.value })
      : await client.getOrganizationBySlug({ slug: key.value });
  if (organization?.status !== OrganizationStatus.ACTIVE) return undefined;
  const { id, slug } = organization;
  return { id, slug, locality: findLocality(silo, topology, id), role: undefined };
}

/** The locality of an organization that lives here: of this cell, or of that of a monolith's cells which gave out the id. */
function findLocality(silo: Silo, topology: Topology, organizationId: string): PublicLocality {
  const number = cellNumberOfSnowflake(organizationId);
  const cell =
    silo.mode === "CELL"
      ? topology.cells.get(silo.name)
      : [...topology.cells.values()].find((candidate) => candidate.number === number);
  return toPublicLocality(topology, cell?.locality ?? "");
}
