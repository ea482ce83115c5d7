import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ProjectKeySchema, ProjectSchema, TeamSchema } from "@cellway/gen/cellway/organization/v1/organization";
import type { ProjectRow } from "./entities/project.js";
import type { ProjectKeyRow } from "./entities/project-key.js";
import type { CountedTeam } from "./store/team.js";

/** A team as the contract has it. */
export function toTeam({ team, memberCount }: CountedTeam): MessageInitShape<typeof TeamSchema> {
  const { id, organizationId, slug, name, createdAt } = team;
  return { id, organizationId, slug, name, memberCount, createdAt: timestampFromDate(createdAt) };
}

/** A project as the contract has it. */
export function toProject(row: ProjectRow): MessageInitShape<typeof ProjectSchema> {
  const { id, organizationId, slug, name, platform, teamId, createdAt } = row;
  return { id, organizationId, slug, name, platform, teamId, createdAt: timestampFromDate(createdAt) };
}

/** A project key as the contract has it: without its secret half. */
export function toProjectKey(row: ProjectKeyRow): MessageInitShape<typeof ProjectKeySchema> {
  const { id, organizationId, projectId, label, publicKey, createdAt } = row;
  return { id, organizationId, projectId, label, publicKey, createdAt: timestampFromDate(createdAt) };
}
