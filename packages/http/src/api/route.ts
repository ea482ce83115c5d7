import type { IncomingMessage, ServerResponse } from "node:http";
import type { LocalMode, PublicLocality } from "@cellway/silo";
import type { z } from "zod";
import type { GivenSession } from "./session-cookie.js";

/** The methods that public routes have. */
export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What a member may do, from least to most. */
export const MEMBER_ROLES = ["BILLING", "MEMBER", "ADMIN", "MANAGER", "OWNER"] as const;
/** One of {@link MEMBER_ROLES}. */
export type MemberRoleName = (typeof MEMBER_ROLES)[number];

/** The path parameter that says whose a request is: an id when it is digits only, else a slug. */
export const ORGANIZATION_PARAMETER = "organization_id_or_slug";

/** Who a request speaks for. */
export interface Principal {
  readonly userId: string;
  /** The API token; undefined for a session. */
  readonly tokenId: string | undefined;
  /** The session; undefined for an API token. */
  readonly sessionId: string | undefined;
  /** What the token allows. A session has all scopes: what it may do is what its user's role allows. */
  readonly scopes: ReadonlySet<string> | "ALL";
}

/** Whether whoever asks may do what takes the scope. */
export function hasScope({ scopes }: Principal, scope: string): boolean {
  return scopes === "ALL" || scopes.has(scope);
}

/** The organization of a request, and what whoever asks is in it. */
export interface RouteOrganization {
  readonly id: string;
  readonly slug: string;
  /** Where it lives: `locality.toUrl(path)` is the address of a path for everybody. */
  readonly locality: PublicLocality;
  /** Unset when the route does not ask for a member, and whoever asks is none. */
  readonly role: MemberRoleName | undefined;
}

/**
 * Who may call a route. `anyone`: nobody is asked for. `user`: whoever is known, with a token that has the scope.
 * `member`: also a member, of at least the role, of the organization in the path; to everybody else the organization
 * does not exist. `invited`: the same without being a member; the handler sees to it that nothing is told.
 */
export type RouteAccess =
  | { readonly kind: "anyone" }
  | { readonly kind: "user"; readonly scope?: string }
  | { readonly kind: "member"; readonly scope: string; readonly role: MemberRoleName }
  | { readonly kind: "invited"; readonly scope?: string };

/** That a route is to go, and when. */
export interface RouteDeprecation {
  /** Since when, an ISO date: `2026-11-01`. */
  readonly since: string;
  /** When it goes, an ISO date. */
  readonly sunset: string;
  /** The path template of what to call in its place; may name the parameters of the route's own path. */
  readonly successor?: string;
}

/** What the handler of a route is given: only what its schemas let through. */
export interface RouteCall<C, P, Q, B> {
  readonly context: C;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Unset on routes for anyone only. */
  readonly principal: Principal | undefined;
  /** Set on routes for members and the invited. */
  readonly organization: RouteOrganization | undefined;
  /** The Idempotency-Key header; only where the route takes one. */
  readonly idempotencyKey: string | undefined;
  /** Only on routes that handle sessions. */
  readonly sessionClient: SessionClient | undefined;
}

/** Who logs in or out. */
export interface SessionClient {
  readonly ipAddress: string;
  /** At most 200 visible characters. */
  readonly userAgent: string;
  /** The secrets of the session cookies that the request came with. */
  readonly secrets: readonly string[];
}

/** How many requests a minute one key may make for a route, beside the limits of all routes. Counted in each process by itself. */
export interface RouteLimit {
  /** Of what the key is, for the caller: `account`. */
  readonly of: string;
  readonly perMinute: number;
  /** Undefined: the address of the client. */
  readonly keyOf?: (call: { readonly body: unknown; readonly principal: Principal | undefined }) => string;
}

/** What a handler answers. The status is the route's. */
export interface RouteAnswer<R> {
  readonly body: R;
  /** Where the list goes on: becomes a Link header with `rel="next"`. Unset or empty on the last page. */
  readonly nextCursor?: string;
  /** Sets the session cookie; null takes it away. Only on routes that handle sessions. */
  readonly session?: GivenSession | null;
}

type ObjectSchema = z.ZodObject;

/** A public HTTP route: what it takes, what it answers, who may call it. */
export interface RouteSpec<
  C,
  P extends ObjectSchema = ObjectSchema,
  Q extends ObjectSchema = ObjectSchema,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
> {
  /** Unique; the `operationId` of the OpenAPI document: `listTeams`. */
  readonly name: string;
  /** One sentence for the OpenAPI document. */
  readonly summary: string;
  readonly method: HttpMethod;
  /** `/api/0/organizations/{organization_id_or_slug}/teams/`. */
  readonly path: string;
  /** The side that serves it. In a silo of the other side it answers 404 and is logged. */
  readonly localMode: LocalMode;
  readonly access: RouteAccess;
  /** The parameters of the path; exactly those that it names. */
  readonly params: P;
  readonly query?: Q;
  /** Unset: the route takes no body. */
  readonly body?: B;
  /** Fields that it does not name are not sent. */
  readonly response: R;
  /** Default 200. */
  readonly status?: 200 | 201 | 202;
  /**
   * The handler itself sees to it that a repeated Idempotency-Key has no second effect. Default: POST by whoever is known is
   * carried out once and its answer kept for a day; elsewhere a key is refused.
   */
  readonly takesIdempotencyKey?: boolean;
  /** It hands out sessions or ends them: requests that another site made a browser send are refused. */
  readonly handlesSessions?: boolean;
  /** Further limits, counted once the request is known to keep to its schemas. */
  readonly rateLimits?: readonly RouteLimit[];
  readonly deprecation?: RouteDeprecation;
  handle(call: RouteCall<C, z.output<P>, z.output<Q>, z.output<B>>): Promise<RouteAnswer<z.input<R>>>;
}

/** A {@link RouteSpec} of any types: what servers and documents are made of. */
export interface PublicRoute<C> extends Omit<RouteSpec<C>, "handle"> {
  // oxlint-disable-next-line typescript/no-explicit-any -- its types were checked by defineRoute
  handle(call: RouteCall<C, any, any, any>): Promise<RouteAnswer<unknown>>;
}

/**
 * A route for routers and other machines of the fleet: in no document, under no limit, and its handler sees to it that it is
 * asked by whom it may be.
 */
export interface InternalRoute<C> {
  readonly method: HttpMethod;
  /** An exact path; a slash at its end makes no difference. */
  readonly path: string;
  readonly localMode: LocalMode;
  handle(context: C, req: IncomingMessage, res: ServerResponse): Promise<void>;
}

/**
 * Checks that the types of a handler are those of its schemas, and forgets them.
 *
 * @throws Error when the path and the parameters differ, or a route of members does not say of what organization.
 */
export function defineRoute<
  C,
  P extends ObjectSchema,
  Q extends ObjectSchema,
  B extends z.ZodType,
  R extends z.ZodType,
>(spec: RouteSpec<C, P, Q, B, R>): PublicRoute<C> {
  const named = [...spec.path.matchAll(/\{([a-z_]+)\}/g)].map((match) => match[1] ?? "");
  const declared = Object.keys(spec.params.shape);
  if (named.toSorted().join() !== declared.toSorted().join()) {
    throw new Error(`${spec.name}: the path names {${named.join("}, {")}}, the schema {${declared.join("}, {")}}.`);
  }
  const needsOrganization = spec.access.kind === "member" || spec.access.kind === "invited";
  if (needsOrganization && !named.includes(ORGANIZATION_PARAMETER)) {
    throw new Error(
      `${spec.name}: a route of ${spec.access.kind} access needs {${ORGANIZATION_PARAMETER}} in its path.`,
    );
  }
  return spec;
}

/** Whether `role` is `wanted` or more. */
export function isAtLeast(role: MemberRoleName, wanted: MemberRoleName): boolean {
  return MEMBER_ROLES.indexOf(role) >= MEMBER_ROLES.indexOf(wanted);
}
