import { DirectoryService, type OrganizationMapping } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { RpcRuntime } from "@cellway/rpc";
import { ConnectError } from "@connectrpc/connect";
import { formatCallError } from "../call-error.js";

/** A user to try things with. */
export interface DemoUser {
  readonly email: string;
  readonly id: string;
  /** A file with the header by which a request speaks for the user: `curl -H @FILE`. */
  readonly headerFile?: string;
}

/** An organization to try things with. */
export interface DemoOrganization {
  readonly slug: string;
  readonly id: string;
  readonly locality: string;
  readonly cell: string;
  /** A project that takes events. */
  readonly project?: DemoProject;
}

/** A project to send events to. */
export interface DemoProject {
  readonly id: string;
  readonly publicKey: string;
}

/** What a fleet was given to play with. */
export interface DemoData {
  readonly users: readonly DemoUser[];
  readonly organizations: readonly DemoOrganization[];
}

/** Nothing to play with. */
export const NO_DEMO_DATA: DemoData = { users: [], organizations: [] };

const USERS = [
  { email: "ada@example.com", displayName: "Ada Lovelace" },
  { email: "grace@example.com", displayName: "Grace Hopper" },
] as const;

const ORGANIZATIONS = [
  { slug: "acme", name: "Acme", locality: "us", owner: "ada@example.com" },
  { slug: "globex", name: "Globex", locality: "de", owner: "grace@example.com" },
] as const;

/**
 * Creates the demo users and organizations with ordinary calls, or finds those of an earlier run. An organization that
 * cannot be made (its name was given away, or it was deleted) is reported and left out.
 */
export async function seedDemoData(
  rpc: Pick<RpcRuntime, "client">,
  warn: (message: string) => void,
): Promise<DemoData> {
  const users = await Promise.all(USERS.map((user) => seedUser(rpc, user)));
  const organizations = await Promise.all(
    ORGANIZATIONS.map(async (wanted) => {
      const owner = users.find((user) => user.email === wanted.owner);
      return owner === undefined ? undefined : seedOrganization(rpc, wanted, owner, warn);
    }),
  );
  return { users, organizations: organizations.filter((organization) => organization !== undefined) };
}

async function seedUser(rpc: Pick<RpcRuntime, "client">, wanted: (typeof USERS)[number]): Promise<DemoUser> {
  const { user } = await rpc.client(UserService).getOrCreateUserByEmail(wanted);
  if (user === undefined) throw new Error(`Control answered no user for ${wanted.email}.`);
  return { email: wanted.email, id: user.id };
}

async function seedOrganization(
  rpc: Pick<RpcRuntime, "client">,
  wanted: (typeof ORGANIZATIONS)[number],
  owner: DemoUser,
  warn: (message: string) => void,
): Promise<DemoOrganization | undefined> {
  const directory = rpc.client(DirectoryService);
  const find = async () =>
    (await directory.getOrganizationMapping({ organization: { case: "slug", value: wanted.slug } })).mapping;
  const known = await find();
  if (known !== undefined) return toDemo(rpc, known, warn);
  const { slug, name, locality } = wanted;
  try {
    await directory.provisionOrganization({
      requestId: `demo-${slug}`,
      slug,
      name,
      locality,
      ownerUserId: owner.id,
      ownerEmail: owner.email,
    });
  } catch (error) {
    warn(`the demo organization ${slug} cannot be created: ${formatCallError(ConnectError.from(error))}`);
    return undefined;
  }
  const made = await find();
  if (made === undefined) warn(`the demo organization ${slug} was deleted; start with --fresh to have it again`);
  return made === undefined ? undefined : toDemo(rpc, made, warn);
}

async function toDemo(
  rpc: Pick<RpcRuntime, "client">,
  mapping: OrganizationMapping,
  warn: (message: string) => void,
): Promise<DemoOrganization> {
  const { slug, organizationId: id, locality, cellName: cell } = mapping;
  try {
    return { slug, id, locality, cell, project: await seedProject(rpc, id) };
  } catch (error) {
    warn(`the demo organization ${slug} has no project: ${formatCallError(ConnectError.from(error))}`);
    return { slug, id, locality, cell };
  }
}

/** The first project of an organization with a key of it, made where there is none. */
async function seedProject(rpc: Pick<RpcRuntime, "client">, organizationId: string): Promise<DemoProject> {
  const client = rpc.client(OrganizationService);
  const { projects } = await client.listProjects({ organizationId });
  const [team] = projects.length > 0 ? [] : (await client.listTeams({ organizationId })).teams;
  const project =
    projects[0] ??
    (await client.createProject({ organizationId, teamId: team?.id ?? "", slug: "web", name: "Web" })).project;
  const projectId = project?.id ?? "";
  const { keys } = await client.listProjectKeys({ organizationId, projectId });
  const key = keys[0] ?? (await client.createProjectKey({ organizationId, projectId, label: "demo" })).key;
  return { id: projectId, publicKey: key?.publicKey ?? "" };
}
