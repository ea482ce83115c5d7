import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { Client } from "@connectrpc/connect";
import type { CellStatement } from "./route-memory.js";

/** By what something is routed: an organization's slug, also one that is an alias, its id, or a project's public key. */
export interface RouteKey {
  readonly kind: "slug" | "id" | "projectKey";
  readonly value: string;
}

/** What people call a kind of keys. */
export const KIND_PHRASES: Readonly<Record<RouteKey["kind"], string>> = {
  slug: "organization slug",
  id: "organization id",
  projectKey: "project key",
};

/** Where an organization lives, as control answers it. */
export interface RouteAnswer {
  readonly organizationId: string;
  readonly slug: string;
  readonly cellName: string;
  readonly locality: string;
  readonly epoch: number;
}

/** Whom a locator asks about what it does not know. Rejects when there is no answer. */
export interface RouteDirectory {
  /** Where the organization that the key leads to lives now; undefined when there is none. */
  findOrganization(key: RouteKey): Promise<RouteAnswer | undefined>;
  /** All cells there are. Epoch 0: what the feed says of a cell is better. */
  listCells(): Promise<CellStatement[]>;
}

const KEY_FIELDS = { slug: "slug", id: "organizationId", projectKey: "projectPublicKey" } as const;

/** Asks control's directory. */
export function createRemoteDirectory(client: Client<typeof DirectoryService>): RouteDirectory {
  return {
    async findOrganization({ kind, value }) {
      const { mapping } = await client.getOrganizationMapping({ organization: { case: KEY_FIELDS[kind], value } });
      if (mapping === undefined) return undefined;
      const { organizationId, slug, cellName, locality, routeEpoch } = mapping;
      return { organizationId, slug, cellName, locality, epoch: Number(routeEpoch) };
    },
    async listCells() {
      const { cells } = await client.listCells({});
      return cells.map(({ name, locality, rpcAddress, httpAddress, ingestAddress }) => {
        return { name, locality, address: rpcAddress, httpAddress, ingestAddress, epoch: 0, isDeleted: false };
      });
    },
  };
}
