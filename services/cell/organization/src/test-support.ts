import type { DescMessage } from "@bufbuild/protobuf";
import { nextSnowflake } from "@cellway/database";
import { AuditLogRecordSchema } from "@cellway/gen/cellway/audit/v1/records";
import {
  OrganizationMemberReplicaSchema,
  OrganizationReplicaSchema,
  ProjectKeyReplicaSchema,
  TeamReplicaSchema,
} from "@cellway/gen/cellway/directory/v1/replicas";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceModule } from "@cellway/host";
import { receiveMessages } from "@cellway/outbox";
import { reasonOf } from "@cellway/rpc";
import type { Fleet } from "@cellway/testing";
import { type Client, Code, ConnectError } from "@connectrpc/connect";

/** What {@link createOrganizationMaker} made. */
export interface MadeOrganization {
  readonly id: string;
  readonly slug: string;
  readonly ownerUserId: string;
  readonly ownerMemberId: string;
}

/** Creates organizations in one cell of a test fleet, each with a slug and an owner of its own. */
export function createOrganizationMaker(fleet: Fleet, cellName = "us1", prefix = "org") {
  let made = 0;
  const client = cellClient(fleet, cellName);
  return async (options: { confirmed?: boolean; ownerUserId?: string } = {}): Promise<MadeOrganization> => {
    made += 1;
    const number = made;
    const id = await newOrganizationId(fleet, cellName);
    const request = {
      cellName,
      organizationId: id,
      slug: `${prefix}-${number}`,
      name: `Org ${number}`,
      ownerUserId: options.ownerUserId ?? String(1_000_000 + number),
      ownerEmail: `owner${number}@example.com`,
    };
    const { ownerMemberId } = await client.createOrganization(request);
    if (options.confirmed !== false) await client.confirmOrganizationCreation({ cellName, organizationId: id });
    return { id, slug: request.slug, ownerUserId: request.ownerUserId, ownerMemberId };
  };
}

/** An id such as the directory gives out for an organization of the cell. */
export function newOrganizationId(fleet: Fleet, cellName = "us1"): Promise<string> {
  return nextSnowflake(fleet.cell(cellName).database("CELL"), "CELL", fleet.topology.cells.get(cellName)?.number ?? 0);
}

/** The service, called inside the cell. */
export function cellClient(fleet: Fleet, cellName = "us1"): Client<typeof OrganizationService> {
  return fleet.cell(cellName).rpc.client(OrganizationService);
}

/** A state that a directory was told; `state` is undefined for what is gone. */
export interface ToldState {
  readonly kind: "organization" | "member" | "team" | "project_key";
  readonly organizationId: string;
  readonly objectId: string;
  readonly version: bigint;
  readonly state: unknown;
}

/** A directory that remembers what it was told, and answers as the test wants. */
export interface FakeDirectory {
  readonly module: ServiceModule;
  readonly received: ToldState[];
  /** Called for each message before it is remembered; throws, or takes its time. Default: nothing. */
  onMessage: (message: ToldState) => Promise<void>;
}

/** Creates a directory module for a test fleet. */
export function createFakeDirectory(): FakeDirectory {
  const received: ToldState[] = [];
  const take = (kind: ToldState["kind"], schema: DescMessage) =>
    receiveMessages(schema, async ({ shardId, objectId, version, content }) => {
      const message = { kind, organizationId: shardId, objectId, version: BigInt(version), state: content };
      await fake.onMessage(message);
      received.push(message);
    });
  const fake: FakeDirectory = {
    received,
    onMessage: async () => {},
    module: {
      name: "directory",
      localMode: "CONTROL",
      entities: [],
      migrations: new URL("../testdata/no-migrations/", import.meta.url),
      contracts: () => [],
      tasks: [],
      routes: [],
      receives: () => [
        take("organization", OrganizationReplicaSchema),
        take("member", OrganizationMemberReplicaSchema),
        take("team", TeamReplicaSchema),
        take("project_key", ProjectKeyReplicaSchema),
        receiveMessages(AuditLogRecordSchema, async () => {}),
      ],
      createResolver: ({ topology }) => {
        const home = async () => ({ silo: "us1", address: topology.cells.get("us1")?.rpcAddress ?? "" });
        return { byOrganizationId: home, byOrganizationSlug: home, byCellName: home, singleOrganization: home };
      },
    },
  };
  return fake;
}

/** `NotFound MEMBER_NOT_FOUND`: how a call failed; undefined when it did not. */
export async function outcomeOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return `${Code[ConnectError.from(error).code]} ${reasonOf(error) ?? ""}`.trim();
  }
}

/** The outcomes of the calls that failed. */
export function failuresOf(outcomes: readonly (string | undefined)[]): string[] {
  return outcomes.filter((outcome) => outcome !== undefined);
}

/** Resolves as soon as `condition` holds; fails after ten seconds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
