import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import { createNotFoundProblem, idParameter, pageQuery, toPageRequest } from "@cellway/http";
import { z } from "zod";
import { defineOrganizationRoute } from "./define-organization-route.js";
import { projectKeySchema, showProjectKey, showTime } from "./schemas.js";

/** What a JSON parser gives is JSON; `z.json()` would describe it by a schema that refers to itself. */
const anyJson = z.custom<JsonValue>((value) => value !== undefined, "must be there");

const optionParameters = { option_key: z.string().regex(/^[a-z][a-z0-9_.:-]{0,63}$/) };

const auditLogEntrySchema = z.object({
  id: z.string(),
  event: z.string(),
  actor_kind: z.string(),
  actor_user_id: z.string().nullable(),
  target_id: z.string(),
  details: z.record(z.string(), z.string()),
  occurred_at: z.iso.datetime(),
});

/** Project keys. */
export const projectKeyRoutes = [
  defineOrganizationRoute({
    name: "listProjectKeys",
    summary: "Lists the keys of a project, without their secret halves.",
    method: "GET",
    path: "projects/{project_id}/keys/",
    params: { project_id: idParameter },
    access: { kind: "member", scope: "project:read", role: "MEMBER" },
    query: pageQuery,
    response: z.array(projectKeySchema),
    async handle({ client, organization, params, query }) {
      const page = await client.listProjectKeys({
        organizationId: organization.id,
        projectId: params.project_id,
        ...toPageRequest(query),
      });
      return { body: page.keys.map(showProjectKey), nextCursor: page.nextPageToken };
    },
  }),
  defineOrganizationRoute({
    name: "createProjectKey",
    summary: "Creates a key of a project. The secret half is shown once.",
    method: "POST",
    path: "projects/{project_id}/keys/",
    params: { project_id: idParameter },
    access: { kind: "member", scope: "project:write", role: "ADMIN" },
    body: z.strictObject({ label: z.string().min(1).max(64) }),
    response: z.object({ key: projectKeySchema, secret_key: z.string() }),
    status: 201,
    async handle({ client, organization, params, body }) {
      const { key, secretKey } = await client.createProjectKey({
        organizationId: organization.id,
        projectId: params.project_id,
        label: body.label,
      });
      return { body: { key: showProjectKey(key), secret_key: secretKey } };
    },
  }),
  defineOrganizationRoute({
    name: "deleteProjectKey",
    summary: "Deletes a project key: what is sent with it is refused from now on.",
    method: "DELETE",
    path: "project-keys/{key_id}/",
    params: { key_id: idParameter },
    access: { kind: "member", scope: "project:write", role: "ADMIN" },
    response: z.object({ was_deleted: z.boolean() }),
    async handle({ client, organization, params }) {
      const { wasDeleted } = await client.deleteProjectKey({
        organizationId: organization.id,
        keyId: params.key_id,
      });
      return { body: { was_deleted: wasDeleted } };
    },
  }),
];

/** Options, and the audit log. */
export const optionRoutes = [
  defineOrganizationRoute({
    name: "getOption",
    summary: "Shows an option of an organization.",
    method: "GET",
    path: "options/{option_key}/",
    params: optionParameters,
    access: { kind: "member", scope: "org:read", role: "ADMIN" },
    response: z.object({ value: anyJson }),
    async handle({ client, organization, params }) {
      const found = await client.getOrganizationOption({ organizationId: organization.id, key: params.option_key });
      if (found.value === undefined) throw createNotFoundProblem();
      return { body: { value: toJson(ValueSchema, found.value) } };
    },
  }),
  defineOrganizationRoute({
    name: "setOption",
    summary: "Sets an option of an organization to any JSON.",
    method: "PUT",
    path: "options/{option_key}/",
    params: optionParameters,
    access: { kind: "member", scope: "org:write", role: "MANAGER" },
    body: z.strictObject({ value: anyJson }),
    response: z.object({ value: anyJson }),
    async handle({ client, organization, params, body }) {
      const value = fromJson(ValueSchema, body.value);
      await client.setOrganizationOption({ organizationId: organization.id, key: params.option_key, value });
      return { body };
    },
  }),
  defineOrganizationRoute({
    name: "deleteOption",
    summary: "Deletes an option of an organization; the same again changes nothing.",
    method: "DELETE",
    path: "options/{option_key}/",
    params: optionParameters,
    access: { kind: "member", scope: "org:write", role: "MANAGER" },
    response: z.object({ was_deleted: z.boolean() }),
    async handle({ client, organization, params }) {
      const { wasDeleted } = await client.deleteOrganizationOption({
        organizationId: organization.id,
        key: params.option_key,
      });
      return { body: { was_deleted: wasDeleted } };
    },
  }),
  defineOrganizationRoute({
    name: "listAuditLog",
    summary: "Lists what was done in an organization, newest first. Kept by control: 503 while that is away.",
    method: "GET",
    path: "audit-log/",
    access: { kind: "member", scope: "org:admin", role: "MANAGER" },
    query: pageQuery,
    response: z.array(auditLogEntrySchema),
    async handle({ context, organization, query }) {
      const page = await context.rpc
        .client(AuditLogService)
        .listAuditLogEntries({ organizationId: organization.id, ...toPageRequest(query) });
      const body = page.entries.map(({ id, event, actor, targetId, details, occurredAt }) => ({
        id,
        event: AuditEvent[event],
        actor_kind: actor?.kind ?? "",
        actor_user_id: actor?.userId ?? null,
        target_id: targetId,
        details,
        occurred_at: showTime(occurredAt),
      }));
      return { body, nextCursor: page.nextPageToken };
    },
  }),
];
