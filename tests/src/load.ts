import { setTimeout as delay } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { Client } from "@connectrpc/connect";
import type { SiloQuery } from "./agreement.js";

/** How a load reaches a fleet, of which any part may be gone at any time. */
export interface LoadParts {
  readonly clientOf: <S extends DescService>(service: S) => Client<S>;
  readonly query: SiloQuery;
  readonly cells: readonly string[];
  /** Makes names unique where several loads meet one fleet. Default `load`. */
  readonly tag?: string;
}

interface Known {
  readonly ownerUserId: string;
  readonly organizations: { readonly id: string; readonly projectId: string }[];
}

const FAILURES_MAX = 20;

/** What people do in a fleet, for as long as it runs. What fails is noted and left: it is done again, or not. */
export class Load {
  /** Calls that went through. */
  calls = 0;
  /** Statements by hand that went through. */
  statements = 0;
  /** Calls and statements that failed. */
  failed = 0;
  /** What the first {@link FAILURES_MAX} of them said. */
  readonly failures: string[] = [];
  private readonly stopping = new AbortController();
  private running: Promise<unknown> | undefined;
  private known: Known = { ownerUserId: "", organizations: [] };
  private made = 0;

  private readonly tag: string;

  constructor(private readonly parts: LoadParts) {
    this.tag = parts.tag ?? "load";
  }

  /** Creates a user and an organization with a project in each locality, and begins. */
  async start(): Promise<void> {
    const { user } = await this.parts.clientOf(UserService).createUser({
      username: this.tag,
      email: `${this.tag}@example.com`,
    });
    this.known = { ownerUserId: user?.id ?? "", organizations: [] };
    for (const locality of ["us", "us", "de"]) await this.createOrganization(locality);
    const deeds = [
      () => this.createOrganization(this.made % 2 === 0 ? "us" : "de"),
      () => this.addMember(),
      () => this.addMember(),
      () => this.createKey(),
      () => this.createKey(),
    ];
    this.running = Promise.all([
      ...deeds.map((deed, index) => this.repeat(20 + 10 * index, () => deed().then(() => this.calls++))),
      ...this.parts.cells.map((cell) => this.repeat(15, () => this.changeByHand(cell).then(() => this.statements++))),
    ]);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async repeat(pauseMs: number, deed: () => Promise<unknown>): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await deed().catch((error: unknown) => {
        this.failed += 1;
        if (this.failures.length < FAILURES_MAX)
          this.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
      });
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async createOrganization(locality: string): Promise<void> {
    const slug = `${this.tag}-${this.next()}`;
    const { organizationId } = await this.parts.clientOf(DirectoryService).provisionOrganization({
      requestId: slug,
      slug,
      name: slug,
      locality,
      ownerUserId: this.known.ownerUserId,
      ownerEmail: `${this.tag}@example.com`,
    });
    const client = this.parts.clientOf(OrganizationService);
    const { teams } = await client.listTeams({ organizationId });
    const { project } = await client.createProject({
      organizationId,
      teamId: teams[0]?.id ?? "",
      slug: "web",
      name: "web",
    });
    this.known.organizations.push({ id: organizationId, projectId: project?.id ?? "" });
  }

  private async addMember(): Promise<void> {
    const username = `${this.tag}-member-${this.next()}`;
    const { user } = await this.parts.clientOf(UserService).createUser({ username, email: `${username}@example.com` });
    const { id: organizationId } = this.choose();
    await this.parts.clientOf(OrganizationService).addOrganizationMember({
      member: { organizationId, identity: { case: "userId", value: user?.id ?? "" }, role: MemberRole.MEMBER },
    });
  }

  private async createKey(): Promise<void> {
    const { id: organizationId, projectId } = this.choose();
    const client = this.parts.clientOf(OrganizationService);
    const { key } = await client.createProjectKey({ organizationId, projectId, label: "load" });
    if (this.next() % 3 === 0) await client.deleteProjectKey({ organizationId, keyId: key?.id ?? "" });
  }

  private async changeByHand(cell: string): Promise<void> {
    await this.parts.query(
      cell,
      `update cell.project_key set public_key = md5(id::text || random()) where id in (select id from cell.project_key order by random() limit 3)`,
    );
  }

  private choose(): Known["organizations"][number] {
    const { organizations } = this.known;
    const chosen = organizations[Math.floor(Math.random() * organizations.length)];
    if (chosen === undefined) throw new Error("there is no organization");
    return chosen;
  }

  private next(): number {
    this.made += 1;
    return this.made;
  }
}
