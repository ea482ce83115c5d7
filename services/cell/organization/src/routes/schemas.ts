import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type {
  Organization,
  OrganizationMember,
  Project,
  ProjectKey,
  Team,
} from "@cellway/gen/cellway/organization/v1/organization";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { MEMBER_ROLES, type MemberRoleName, type RouteOrganization } from "@cellway/http";
import { z } from "zod";

/** A name for people. */
export const nameSchema = z.string().min(1).max(100);
/** What a member may do. */
export const roleSchema = z.enum(MEMBER_ROLES);
const timeSchema = z.iso.datetime();

/** An organization in answers. */
export const organizationSchema = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  status: z.string(),
  default_role: roleSchema,
  avatar_url: z.string(),
  has_open_membership: z.boolean(),
  requires_two_factor: z.boolean(),
  created_at: timeSchema,
  url: z.string().describe("Where it is for everybody; relative where this silo is all there is."),
});

/** A member in answers. */
export const memberSchema = z.object({
  id: z.string(),
  user_id: z.string().nullable(),
  email: z.string(),
  role: roleSchema,
  invite_status: z.string(),
  team_ids: z.array(z.string()),
  created_at: timeSchema,
});

/** A team in answers. */
export const teamSchema = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  member_count: z.int(),
  created_at: timeSchema,
});

/** A project in answers. */
export const projectSchema = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  platform: z.string(),
  team_id: z.string(),
  created_at: timeSchema,
});

/** A project key in answers: without its secret half. */
export const projectKeySchema = z.object({
  id: z.string(),
  project_id: z.string(),
  label: z.string(),
  public_key: z.string(),
  created_at: timeSchema,
});

/** How answers show an organization. */
export function showOrganization(
  organization: Organization | undefined,
  { locality }: Pick<RouteOrganization, "locality">,
): z.input<typeof organizationSchema> {
  const { id, slug, name, status, defaultRole, avatarUrl, createdAt, ...flags } = need(organization);
  return {
    id,
    slug,
    name,
    status: OrganizationStatus[status],
    default_role: toRoleName(defaultRole),
    avatar_url: avatarUrl,
    has_open_membership: flags.hasOpenMembership,
    requires_two_factor: flags.requiresTwoFactor,
    created_at: showTime(createdAt),
    url: locality.toUrl(`/api/0/organizations/${slug}/`),
  };
}

/** How answers show a member. */
export function showMember(member: OrganizationMember | undefined): z.input<typeof memberSchema> {
  const { id, userId, email, role, inviteStatus, teamIds, createdAt } = need(member);
  return {
    id,
    user_id: userId ?? null,
    email,
    role: toRoleName(role),
    invite_status: InviteStatus[inviteStatus],
    team_ids: teamIds,
    created_at: showTime(createdAt),
  };
}

/** How answers show a team. */
export function showTeam(team: Team | undefined): z.input<typeof teamSchema> {
  const { id, slug, name, memberCount, createdAt } = need(team);
  return { id, slug, name, member_count: memberCount, created_at: showTime(createdAt) };
}

/** How answers show a project. */
export function showProject(project: Project | undefined): z.input<typeof projectSchema> {
  const { id, slug, name, platform, teamId, createdAt } = need(project);
  return { id, slug, name, platform, team_id: teamId, created_at: showTime(createdAt) };
}

/** How answers show a project key. */
export function showProjectKey(key: ProjectKey | undefined): z.input<typeof projectKeySchema> {
  const { id, projectId, label, publicKey, createdAt } = need(key);
  return { id, project_id: projectId, label, public_key: publicKey, created_at: showTime(createdAt) };
}

/** ISO 8601 in UTC. */
export function showTime(time: Timestamp | undefined): string {
  return timestampDate(need(time)).toISOString();
}

function toRoleName(role: MemberRole): MemberRoleName {
  return MemberRole[role] as MemberRoleName;
}

function need<T>(message: T | undefined): T {
  if (message === undefined) throw new Error("The contract promises a message that is not there.");
  return message;
}
