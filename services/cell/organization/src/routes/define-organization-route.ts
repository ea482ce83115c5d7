import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import {
  defineRoute,
  ORGANIZATION_PARAMETER,
  type Principal,
  type PublicRoute,
  type RouteAnswer,
  type RouteOrganization,
  type RouteSpec,
} from "@cellway/http";
import type { Client } from "@connectrpc/connect";
import { z } from "zod";

/** What the handler of a route of an organization is given. */
interface OrganizationCall<P, Q, B> {
  readonly context: ServiceContext;
  /** The service itself, in process. */
  readonly client: Client<typeof OrganizationService>;
  readonly organization: RouteOrganization;
  readonly principal: Principal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

type OrganizationRouteSpec<
  P extends z.ZodRawShape,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
> = Omit<RouteSpec<ServiceContext, z.ZodObject, Q, B, R>, "localMode" | "params" | "handle"> & {
  /** What follows the organization in the path: `teams/`. */
  readonly path: string;
  /** Parameters that follow the organization. */
  readonly params?: P;
  handle(call: OrganizationCall<z.output<z.ZodObject<P>>, z.output<Q>, z.output<B>>): Promise<RouteAnswer<z.input<R>>>;
};

/** Declares a route of an organization, served by the cell that it lives in. */
export function defineOrganizationRoute<
  P extends z.ZodRawShape,
  Q extends z.ZodObject,
  B extends z.ZodType,
  R extends z.ZodType,
>(spec: OrganizationRouteSpec<P, Q, B, R>): PublicRoute<ServiceContext> {
  return defineRoute({
    ...spec,
    path: `/api/0/organizations/{${ORGANIZATION_PARAMETER}}/${spec.path}`,
    localMode: "CELL",
    params: z.strictObject({ [ORGANIZATION_PARAMETER]: z.string(), ...spec.params }) as z.ZodObject,
    async handle({ context, organization, principal, params: given, query, body }) {
      if (organization === undefined || principal === undefined) throw new Error(`${spec.name} was not guarded.`);
      return spec.handle({
        context,
        client: context.rpc.client(OrganizationService),
        organization,
        principal,
        params: given as z.output<z.ZodObject<P>>,
        query,
        body,
      });
    },
  });
}
