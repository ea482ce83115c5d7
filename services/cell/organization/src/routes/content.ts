import { idParameter, pageQuery, slugSchema, toPageRequest } from "@cellway/http";
import { z } from "zod";
import { defineOrganizationRoute } from "./define-organization-route.js";
import { nameSchema, projectSchema, showProject, showTeam, teamSchema } from "./schemas.js";

const teamMemberParameters = { team_id: idParameter, member_id: idParameter };

/** Teams and projects. */
export const contentRoutes = [
  defineOrganizationRoute({
    name: "listTeams",
    summary: "Lists the teams of an organization.",
    method: "GET",
    path: "teams/",
    access: { kind: "member", scope: "team:read", role: "MEMBER" },
    query: pageQuery,
    response: z.array(teamSchema),
    async handle({ client, organization, query }) {
      const page = await client.listTeams({ organizationId: organization.id, ...toPageRequest(query) });
      return { body: page.teams.map(showTeam), nextCursor: page.nextPageToken };
    },
  }),
  defineOrganizationRoute({
    name: "createTeam",
    summary: "Creates a team.",
    method: "POST",
    path: "teams/",
    access: { kind: "member", scope: "team:write", role: "ADMIN" },
    body: z.strictObject({ slug: slugSchema, name: nameSchema }),
    response: teamSchema,
    status: 201,
    async handle({ client, organization, body }) {
      return { body: showTeam((await client.createTeam({ organizationId: organization.id, ...body })).team) };
    },
  }),
  defineOrganizationRoute({
    name: "addTeamMember",
    summary: "Puts a member into a team; the same again changes nothing.",
    method: "PUT",
    path: "teams/{team_id}/members/{member_id}/",
    params: teamMemberParameters,
    access: { kind: "member", scope: "team:write", role: "ADMIN" },
    response: z.object({ was_added: z.boolean() }),
    async handle({ client, organization, params: { team_id: teamId, member_id: memberId } }) {
      const { wasAdded } = await client.addTeamMember({ organizationId: organization.id, teamId, memberId });
      return { body: { was_added: wasAdded } };
    },
  }),
  defineOrganizationRoute({
    name: "removeTeamMember",
    summary: "Takes a member out of a team; the same again changes nothing.",
    method: "DELETE",
    path: "teams/{team_id}/members/{member_id}/",
    params: teamMemberParameters,
    access: { kind: "member", scope: "team:write", role: "ADMIN" },
    response: z.object({ was_removed: z.boolean() }),
    async handle({ client, organization, params: { team_id: teamId, member_id: memberId } }) {
      const { wasRemoved } = await client.removeTeamMember({ organizationId: organization.id, teamId, memberId });
      return { body: { was_removed: wasRemoved } };
    },
  }),
  defineOrganizationRoute({
    name: "listProjects",
    summary: "Lists the projects of an organization.",
    method: "GET",
    path: "projects/",
    access: { kind: "member", scope: "project:read", role: "MEMBER" },
    query: pageQuery,
    response: z.array(projectSchema),
    async handle({ client, organization, query }) {
      const page = await client.listProjects({ organizationId: organization.id, ...toPageRequest(query) });
      return { body: page.projects.map(showProject), nextCursor: page.nextPageToken };
    },
  }),
  defineOrganizationRoute({
    name: "createProject",
    summary: "Creates a project that a team owns.",
    method: "POST",
    path: "projects/",
    access: { kind: "member", scope: "project:write", role: "ADMIN" },
    body: z.strictObject({
      slug: slugSchema,
      name: nameSchema,
      platform: z
        .string()
        .max(32)
        .regex(/^[a-z0-9-]*$/)
        .default(""),
      team_id: idParameter,
    }),
    response: projectSchema,
    status: 201,
    async handle({ client, organization, body: { team_id: teamId, ...rest } }) {
      const { project } = await client.createProject({ organizationId: organization.id, teamId, ...rest });
      return { body: showProject(project) };
    },
  }),
];
