import type { JsonObject } from "@bufbuild/protobuf";
import {
  type Integration,
  IntegrationService,
  IntegrationStatus,
  type OrganizationIntegration,
} from "@cellway/gen/cellway/integration/v1/integration";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { idParameter, pageQuery, toPageRequest } from "@cellway/http";
import { z } from "zod";
import { defineOrganizationRoute } from "./define-organization-route.js";
import { showTime } from "./schemas.js";

const installationSchema = z.object({
  integration_id: z.string(),
  status: z.string(),
  config: z.record(z.string(), z.unknown()),
  grace_period_ends_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
});

const integrationSchema = z.object({
  provider: z.string(),
  external_id: z.string(),
  name: z.string(),
  status: z.string(),
});

const integrationParameters = { integration_id: idParameter };

/**
 * Integrations that are installed in an organization. None is installed here: that somebody may speak for an account of a third
 * party must be shown to its provider first, and an id that is guessed would do in place of that.
 */
export const integrationRoutes = [
  defineOrganizationRoute({
    name: "listIntegrations",
    summary:
      "Lists what is installed in an organization, as its cell knows it: a second behind control, and also without it.",
    method: "GET",
    path: "integrations/",
    access: { kind: "member", scope: "integration:read", role: "MEMBER" },
    query: pageQuery,
    response: z.array(installationSchema.extend({ integration: integrationSchema.nullable() })),
    async handle({ context, organization, query }) {
      const page = await context.rpc
        .client(ReplicaService)
        .listOrganizationIntegrations({ organizationId: organization.id, ...toPageRequest(query) });
      const body = page.integrations.map(({ organizationIntegration, integration }) => ({
        ...showInstallation(organizationIntegration),
        integration: integration === undefined ? null : showIntegration(integration),
      }));
      return { body, nextCursor: page.nextPageToken };
    },
  }),
  defineOrganizationRoute({
    name: "updateIntegration",
    summary:
      "Changes what the body names of an integration that is installed. Kept by control: 503 while that is away.",
    method: "PATCH",
    path: "integrations/{integration_id}/",
    params: integrationParameters,
    access: { kind: "member", scope: "integration:write", role: "MANAGER" },
    body: z
      .strictObject({ config: z.record(z.string(), z.unknown()), status: z.enum(["ACTIVE", "DISABLED"]) })
      .partial()
      .refine((body) => Object.keys(body).length > 0, "must name something"),
    response: installationSchema,
    async handle({ context, organization, params, body }) {
      const { organizationIntegration } = await context.rpc.client(IntegrationService).updateOrganizationIntegration({
        organizationId: organization.id,
        integrationId: params.integration_id,
        // Fields are called here as in the contract.
        updateMask: { paths: Object.keys(body) },
        ...(body.config === undefined ? {} : { config: body.config as JsonObject }),
        ...(body.status === undefined ? {} : { status: IntegrationStatus[body.status] }),
      });
      return { body: showInstallation(organizationIntegration) };
    },
  }),
  defineOrganizationRoute({
    name: "removeIntegration",
    summary: "Takes an integration out of an organization; the same again changes nothing. 503 while control is away.",
    method: "DELETE",
    path: "integrations/{integration_id}/",
    params: integrationParameters,
    access: { kind: "member", scope: "integration:write", role: "MANAGER" },
    response: z.object({ was_removed: z.boolean() }),
    async handle({ context, organization, params }) {
      const { wasRemoved } = await context.rpc
        .client(IntegrationService)
        .removeOrganizationIntegration({ organizationId: organization.id, integrationId: params.integration_id });
      return { body: { was_removed: wasRemoved } };
    },
  }),
];

function showInstallation(installation: OrganizationIntegration | undefined): z.input<typeof installationSchema> {
  if (installation === undefined) throw new Error("The contract promises an installation that is not there.");
  const { integrationId, status, config, gracePeriodEnd, createdAt } = installation;
  return {
    integration_id: integrationId,
    status: IntegrationStatus[status],
    config: config ?? {},
    grace_period_ends_at: gracePeriodEnd === undefined ? null : showTime(gracePeriodEnd),
    created_at: showTime(createdAt),
  };
}

function showIntegration({ provider, externalId, name, status }: Integration): z.input<typeof integrationSchema> {
  return { provider, external_id: externalId, name, status: IntegrationStatus[status] };
}
