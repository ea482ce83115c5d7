import { createHash, randomUUID } from "node:crypto";
import { DirectoryService, LocalityCategory } from "@cellway/gen/cellway/directory/v1/directory";
import { MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import {
  defineRoute,
  MEMBER_ROLES,
  type MemberRoleName,
  ProblemError,
  type PublicRoute,
  pageQuery,
  slugSchema,
  toPageRequest,
  userIdOf,
} from "@cellway/http";
import { toPublicLocality } from "@cellway/silo";
import { z } from "zod";

const urlSchema = z
  .string()
  .describe("Where its own routes are for everybody; relative where this silo is all there is.");

const none = z.strictObject({});

const listLocalities: PublicRoute<ServiceContext> = defineRoute({
  name: "listLocalities",
  summary: "Lists the localities that an organization can be created in.",
  method: "GET",
  path: "/api/0/localities/",
  localMode: "CONTROL",
  access: { kind: "user" },
  params: none,
  response: z.array(z.object({ name: z.string(), display_name: z.string() })),
  async handle({ context }) {
    const localities = await listOpenLocalities(context);
    return { body: localities.map(({ name, displayName }) => ({ name, display_name: displayName })) };
  },
});

const listOrganizations: PublicRoute<ServiceContext> = defineRoute({
  name: "listOrganizations",
  summary: "Lists the organizations of whoever calls, in all cells.",
  method: "GET",
  path: "/api/0/organizations/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "org:read" },
  params: none,
  query: pageQuery,
  response: z.array(
    z.object({
      id: z.string(),
      slug: z.string(),
      name: z.string(),
      status: z.string(),
      role: z.enum(MEMBER_ROLES),
      locality: z.string(),
      url: urlSchema,
    }),
  ),
  async handle({ context, principal, query }) {
    const client = context.rpc.client(DirectoryService);
    const page = await client.listUserOrganizations({ userId: userIdOf(principal), ...toPageRequest(query) });
    const body = page.organizations.flatMap(({ organization, role }) => {
      if (organization === undefined) return [];
      const { organizationId: id, slug, name, status, locality } = organization;
      const roleName = MemberRole[role] as MemberRoleName;
      return [
        {
          id,
          slug,
          name,
          status: OrganizationStatus[status],
          role: roleName,
          locality,
          url: toUrl(context, { slug, locality }),
        },
      ];
    });
    return { body, nextCursor: page.nextPageToken };
  },
});

const createOrganization: PublicRoute<ServiceContext> = defineRoute({
  name: "createOrganization",
  summary: "Creates an organization in a locality. The same Idempotency-Key again answers the same organization.",
  method: "POST",
  path: "/api/0/organizations/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "org:create" },
  takesIdempotencyKey: true,
  params: none,
  body: z.strictObject({
    slug: slugSchema,
    name: z.string().min(1).max(100),
    locality: z.string().min(1).max(32),
  }),
  response: z.object({ id: z.string(), slug: z.string(), locality: z.string(), url: urlSchema }),
  status: 201,
  async handle({ context, principal, body, idempotencyKey }) {
    const userId = userIdOf(principal);
    const localities = await listOpenLocalities(context);
    if (!localities.some(({ name }) => name === body.locality)) {
      const detail = `must be one of: ${localities.map(({ name }) => name).join(", ")}`;
      throw new ProblemError(400, "LOCALITY_UNKNOWN", "There is no such locality to create an organization in.", {
        errors: [{ field: "body.locality", detail }],
      });
    }
    const { user } = await context.rpc.client(UserService).getUser({ userId });
    const made = await context.rpc.client(DirectoryService).provisionOrganization({
      ...body,
      requestId: toRequestId(userId, idempotencyKey),
      ownerUserId: userId,
      ownerEmail: user?.emails.find(({ isPrimary }) => isPrimary)?.email ?? "",
    });
    const { organizationId: id, slug, locality } = made;
    return { body: { id, slug, locality, url: toUrl(context, { slug, locality }) } };
  },
});

/** The public routes of the directory. */
export const directoryRoutes: readonly PublicRoute<ServiceContext>[] = [
  listLocalities,
  listOrganizations,
  createOrganization,
];

/** Those that anybody may choose. */
async function listOpenLocalities({ rpc }: ServiceContext): Promise<{ name: string; displayName: string }[]> {
  const { localities } = await rpc.client(DirectoryService).listLocalities({});
  return localities.filter(({ category }) => category === LocalityCategory.MULTI_TENANT);
}

/** Where an organization is served, whoever asks from wherever. */
function toUrl({ topology }: ServiceContext, organization: { slug: string; locality: string }): string {
  return toPublicLocality(topology, organization.locality).toUrl(`/api/0/organizations/${organization.slug}/`);
}

/** A key is the user's own: nobody meets another's request by it. */
function toRequestId(userId: string, idempotencyKey: string | undefined): string {
  if (idempotencyKey === undefined) return randomUUID();
  return createHash("sha256")
    .update(JSON.stringify([userId, idempotencyKey]))
    .digest("base64url");
}
