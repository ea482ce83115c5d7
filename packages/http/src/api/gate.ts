import type { LocalMode } from "@cellway/silo";
import type { Principal, RouteOrganization } from "./route.js";

/** Where an organization lives. */
export interface OrganizationPlace {
  readonly cellName: string;
  /** Grows with every change of the route. */
  readonly epoch: number;
}

/** How a server learns who asks, and whose the organization is. */
export interface Gate {
  /** Whom an API token speaks for, or undefined when it is none that is accepted. */
  authenticate(localMode: LocalMode, token: string): Promise<Principal | undefined>;
  /** Whom a session speaks for, or undefined when it is none that is accepted. */
  authenticateSession(localMode: LocalMode, secret: string): Promise<Principal | undefined>;
  /**
   * The organization, if it lives here and, unless `asStranger`, `userId` is a member of it.
   *
   * @param idOrSlug - digits only: an id.
   */
  findOrganization(
    idOrSlug: string,
    userId: string,
    options: { readonly asStranger: boolean },
  ): Promise<RouteOrganization | undefined>;
  /**
   * In which other cell an organization lives that is not here, by a route that is not older than `routeEpoch`; undefined when
   * it is here, or nowhere. Asked for routers alone. Left out where there are no other cells.
   *
   * @throws ProblemError 503 when that is not known.
   */
  findElsewhere?(idOrSlug: string, routeEpoch: number): Promise<OrganizationPlace | undefined>;
  /** Told of every request of somebody who is known. Must not throw, and not wait. */
  noteUse(localMode: LocalMode, principal: Principal, ipAddress: string): void;
}

/** Requests a minute, counted in each process by itself. */
export interface RouteLimits {
  /** With one token or session. */
  readonly perToken: number;
  /** For one organization, by all its members. */
  readonly perOrganization: number;
  /** From one address with no token or session, or one that is not accepted. */
  readonly perStranger: number;
}

/** What holds when nothing else is said. */
export const DEFAULT_ROUTE_LIMITS: RouteLimits = { perToken: 1_000, perOrganization: 5_000, perStranger: 300 };
