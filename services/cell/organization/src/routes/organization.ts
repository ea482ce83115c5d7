import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import type { ServiceContext } from "@cellway/host";
import { ProblemError, slugSchema } from "@cellway/http";
import { reasonOf } from "@cellway/rpc";
import { z } from "zod";
import { defineOrganizationRoute } from "./define-organization-route.js";
import { nameSchema, organizationSchema, roleSchema, showOrganization, showTime } from "./schemas.js";

/** The organization itself. */
export const organizationRoutes = [
  defineOrganizationRoute({
    name: "getOrganization",
    summary: "Shows an organization.",
    method: "GET",
    path: "",
    access: { kind: "member", scope: "org:read", role: "MEMBER" },
    response: organizationSchema,
    async handle({ client, organization }) {
      const found = await client.getOrganization({ organizationId: organization.id });
      return { body: showOrganization(found.organization, organization) };
    },
  }),
  defineOrganizationRoute({
    name: "updateOrganization",
    summary: "Changes what the body names of an organization.",
    method: "PATCH",
    path: "",
    access: { kind: "member", scope: "org:write", role: "MANAGER" },
    body: z
      .strictObject({
        name: nameSchema,
        default_role: roleSchema.exclude(["OWNER"]),
        avatar_url: z
          .string()
          .max(2048)
          .regex(/^(https:\/\/\S+)?$/, "must be an https address, or empty"),
        has_open_membership: z.boolean(),
        requires_two_factor: z.boolean(),
      })
      .partial(),
    response: organizationSchema,
    async handle({ client, organization, body }) {
      const updated = await client.updateOrganization({
        organizationId: organization.id,
        // Fields are called here as in the contract.
        updateMask: { paths: Object.keys(body) },
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.default_role === undefined ? {} : { defaultRole: MemberRole[body.default_role] }),
        avatarUrl: body.avatar_url ?? "",
        hasOpenMembership: body.has_open_membership ?? false,
        requiresTwoFactor: body.requires_two_factor ?? false,
      });
      return { body: showOrganization(updated.organization, organization) };
    },
  }),
  defineOrganizationRoute({
    name: "renameOrganization",
    summary:
      "Gives an organization another slug, unique over all localities; the old one leads to it for 30 days. The same again is " +
      "OK. Decided by control: 503 while that is away, or when the change is under way and not finished.",
    method: "PUT",
    path: "slug/",
    access: { kind: "member", scope: "org:write", role: "MANAGER" },
    body: z.strictObject({ slug: slugSchema }),
    response: organizationSchema,
    async handle({ context, client, organization, body }) {
      await renameAtControl(context, { organizationId: organization.id, slug: body.slug });
      const found = await client.getOrganization({ organizationId: organization.id });
      return { body: showOrganization(found.organization, organization) };
    },
  }),
  defineOrganizationRoute({
    name: "deleteOrganization",
    summary: "Deletes an organization; it can be restored by an operator until `purge_at`.",
    method: "DELETE",
    path: "",
    access: { kind: "member", scope: "org:admin", role: "OWNER" },
    response: z.object({ purge_at: z.iso.datetime() }),
    status: 202,
    async handle({ client, organization }) {
      const { purgeAt } = await client.deleteOrganization({ organizationId: organization.id });
      return { body: { purge_at: showTime(purgeAt) } };
    },
  }),
];

/** @throws 503 also where control is of a release that lets no cell ask for it. */
async function renameAtControl(
  { rpc }: ServiceContext,
  rename: { organizationId: string; slug: string },
): Promise<void> {
  try {
    await rpc.client(DirectoryService).renameOrganization(rename);
  } catch (error) {
    if (reasonOf(error) !== "CALLER_NOT_ALLOWED") throw error;
    const detail = "Organizations cannot be renamed here yet; try again when the service has been upgraded.";
    throw new ProblemError(503, "RENAME_NOT_SERVED", detail, { cause: error });
  }
}
