import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { Client } from "@connectrpc/connect";
import type { CellStatement } from "./route-memory.js";

/** By what something is routed. */
export interface RouteKey {
  readonly kind: "slug" | "id";
  readonly value: string;
}

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
  /** Where the organization lives now; undefined when there is none. */
  findOrganization(key: RouteKey): Promise<RouteAnswer | undefined>;
  /** All cells there are. Epoch 0: what the feed says of a cell is better. */
  listCells(): Promise<CellStatement[]>;
}

/** Asks control's directory. */
export function createRemoteDirectory(client: Client<typeof DirectoryService>): RouteDirectory {
  return {
    async findOrganization({ kind, value }) {
      const organization =
        kind === "slug" ? ({ case: "slug", value } as const) : ({ case: "organizationId", value } as const);
      const { mapping } = await client.getOrganizationMapping({ organization });
      if (mapping === undefined) return undefined;
      const { organizationId, slug, cellName, locality, routeEpoch } = mapping;
      return { organizationId, slug, cellName, locality, epoch: Number(routeEpoch) };
    },
    async listCells() {
      const { cells } = await client.listCells({});
      return cells.map(({ name, locality, rpcAddress }) => {
        return { name, locality, address: rpcAddress, epoch: 0, isDeleted: false };
      });
    },
  };
}
