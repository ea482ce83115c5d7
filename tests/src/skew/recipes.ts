import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ClientOf } from "../scenario.js";
import { ROOT } from "./trees.js";

const DOCUMENT = join("docs", "change-a-contract.md");
const FENCE = /^```diff (\S+)\n([\s\S]*?)^```$/gm;

/** The diffs of the document by their names: what it tells people to do is what is tried. */
export async function readRecipeDiffs(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(ROOT, DOCUMENT), "utf8");
  return new Map([...text.matchAll(FENCE)].map(([, name = "", diff = ""]) => [name, diff]));
}

/** A change of a contract, as the document tells it. */
export interface Recipe {
  readonly title: string;
  /** What was done before it begins: names of diffs. */
  readonly before: readonly string[];
  readonly phases: readonly [string, string];
  /** The same in one step, where that is not both phases at once. */
  readonly atOnce?: string;
  /** What a check says of it in one step. */
  readonly refusedFor: string;
  /**
   * What people notice of it.
   *
   * @param phase - how far control is, which calls: 0 before the change, 2 after.
   * @throws when a call fails, or what control wanted did not happen.
   */
  readonly probe: (clientOf: ClientOf, phase: number) => Promise<void>;
}

/** Every recipe of the document. */
export const RECIPES: readonly Recipe[] = [
  {
    title: "add a method",
    refusedFor: "createStarterProject",
    before: [],
    phases: ["add-a-method-1", "add-a-method-2"],
    async probe(clientOf, phase) {
      const { organizationId } = await provision(clientOf);
      const { projects } = await clientOf(OrganizationService).listProjects({ organizationId });
      assertSame("projects", projects.map(({ slug }) => slug).join(), phase < 2 ? "" : "starter");
    },
  },
  {
    title: "add a parameter",
    refusedFor: "team_name",
    before: [],
    phases: ["add-a-parameter-1", "add-a-parameter-2"],
    probe: (clientOf, phase) => assertTeamName(clientOf, phase < 2 ? "Probe" : "Everyone"),
  },
  {
    title: "make a parameter required",
    refusedFor: "became stricter",
    before: ["add-a-parameter-1"],
    phases: ["add-a-parameter-2", "make-a-parameter-required-2"],
    atOnce: "make-a-parameter-required-at-once",
    probe: (clientOf, phase) => assertTeamName(clientOf, phase < 1 ? "Probe" : "Everyone"),
  },
  {
    title: "remove a parameter",
    refusedFor: "is gone, and was not deprecated",
    before: ["add-a-parameter-1", "add-a-parameter-2"],
    phases: ["remove-a-parameter-1", "remove-a-parameter-2"],
    probe: (clientOf, phase) => assertTeamName(clientOf, phase < 1 ? "Everyone" : "Probe"),
  },
  {
    title: "rename",
    refusedFor: "setOrganizationSlug",
    before: [],
    phases: ["rename-1", "rename-2"],
    probe: assertRenames,
  },
  {
    title: "remove a method",
    refusedFor: "is gone, and was not deprecated",
    before: ["rename-1"],
    phases: ["rename-2", "remove-a-method-2"],
    probe: assertRenames,
  },
];

let provisioned = 0;

async function provision(clientOf: ClientOf): Promise<{ organizationId: string; slug: string }> {
  provisioned += 1;
  const slug = `probe-${provisioned}-${process.pid}`;
  const { user } = await clientOf(UserService).getOrCreateUserByEmail({ email: "probe@example.com" });
  const { organizationId } = await clientOf(DirectoryService).provisionOrganization({
    requestId: slug,
    slug,
    name: "Probe",
    locality: "us",
    ownerUserId: user?.id ?? "",
    ownerEmail: "probe@example.com",
  });
  return { organizationId, slug };
}

async function assertTeamName(clientOf: ClientOf, expected: string): Promise<void> {
  const { organizationId } = await provision(clientOf);
  const { teams } = await clientOf(OrganizationService).listTeams({ organizationId });
  assertSame("the first team", teams[0]?.name, expected);
}

async function assertRenames(clientOf: ClientOf): Promise<void> {
  const { organizationId, slug } = await provision(clientOf);
  await clientOf(DirectoryService).renameOrganization({ organizationId, slug: `new-${slug}` });
  const { organization } = await clientOf(OrganizationService).getOrganizationBySlug({ slug: `new-${slug}` });
  assertSame("the renamed organization", organization?.id, organizationId);
}

function assertSame(what: string, found: string | undefined, expected: string): void {
  if (found !== expected) throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
}
