import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DirectoryService, OrganizationMappingSchema } from "@cellway/gen/cellway/directory/v1/directory";
import { reasonOf } from "@cellway/rpc";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "@jest/globals";
import { planFleet } from "./dev/fleet-plan.js";
import type { FleetMode } from "./fleet-file.js";
import { createRemoteResolver } from "./remote-resolver.js";

const { topology } = planFleet("siloed", 8_000);

/** What the directory says of cells: one that the topology does not name, one at another address, and one as it is. */
const CELLS = [
  { name: "de1", number: 3, locality: "de", rpcAddress: "http://127.0.0.1:8031" },
  { name: "us1", number: 1, locality: "us", rpcAddress: "http://us1.moved:8001" },
  { name: "us3", number: 9, locality: "us", rpcAddress: "http://us3.internal:8001" },
];

/** A resolver over a directory that knows the given organizations and cells; without cells it does not answer for them. */
function createResolver(
  organizations: MessageInitShape<typeof OrganizationMappingSchema>[],
  mode: FleetMode = "siloed",
  cells = CELLS,
) {
  const mappings = organizations.map((organization) => create(OrganizationMappingSchema, organization));
  const transport = createRouterTransport(({ service }) => {
    service(DirectoryService, {
      listCells() {
        if (cells.length === 0) throw new ConnectError("control is away", Code.Unavailable);
        return { cells };
      },
      getOrganizationMapping({ organization }) {
        const mapping = mappings.find(
          (candidate) =>
            (organization.case === "slug" ? candidate.slug : candidate.organizationId) === organization.value,
        );
        return mapping === undefined ? {} : { mapping };
      },
      listOrganizationMappings: ({ cellName, pageSize }) => ({
        mappings: mappings.filter((mapping) => mapping.cellName === cellName).slice(0, pageSize),
      }),
    });
  });
  return createRemoteResolver({
    directory: () => createClient(DirectoryService, transport),
    target: { mode, topology },
  });
}

const GLOBEX = { organizationId: "7", slug: "globex", cellName: "de1" };
const DE1 = { silo: "de1", address: "http://127.0.0.1:8031" };

test("an organization is found by slug and by id; one that is not mapped is nowhere", async () => {
  const resolver = createResolver([GLOBEX]);
  expect(await resolver.byOrganizationSlug("globex")).toEqual(DE1);
  expect(await resolver.byOrganizationId("7")).toEqual(DE1);
  expect(await resolver.byOrganizationSlug("acme")).toBeUndefined();
  expect(await resolver.byOrganizationId("8")).toBeUndefined();
});

test("a cell that was added after the topology was written is found in the directory", async () => {
  const resolver = createResolver([]);
  expect(await resolver.byCellName("de1")).toEqual(DE1);
  expect(await resolver.byCellName("us3")).toEqual({ silo: "us3", address: "http://us3.internal:8001" });
  expect(await resolver.byCellName("us9")).toBeUndefined();
});

test("the directory, not the topology file, says where a cell is and which cells there are", async () => {
  const resolver = createResolver([]);
  expect(await resolver.byCellName("us1")).toEqual({ silo: "us1", address: "http://us1.moved:8001" });
  expect(await resolver.byCellName("us2")).toBeUndefined();
});

test("while control is away a cell of the topology file can be called all the same", async () => {
  const resolver = createResolver([], "siloed", []);
  expect(await resolver.byCellName("us1")).toEqual({ silo: "us1", address: "http://127.0.0.1:8011" });
  await expect(resolver.byCellName("us3")).rejects.toThrow("control is away");
});

test("an organization in a cell that nobody knows is an error, not an unmapped one", async () => {
  const found = createResolver([{ ...GLOBEX, cellName: "us9" }]).byOrganizationSlug("globex");
  await expect(found.catch((error: unknown) => reasonOf(error))).resolves.toBe("CELL_NOT_FOUND");
});

test("the only organization is found; several are an error, none is nowhere", async () => {
  expect(await createResolver([GLOBEX]).singleOrganization()).toEqual(DE1);
  expect(await createResolver([]).singleOrganization()).toBeUndefined();
  for (const cellName of ["de1", "us1"]) {
    const found = createResolver([GLOBEX, { organizationId: "8", slug: "acme", cellName }]).singleOrganization();
    await expect(found.catch((error: unknown) => reasonOf(error))).resolves.toBe("SEVERAL_ORGANIZATIONS");
  }
});

test("in a monolith every cell is the monolith, and the directory still decides whether an organization is there", async () => {
  const resolver = createResolver([GLOBEX], "monolith");
  expect(await resolver.byOrganizationSlug("globex")).toEqual({ silo: "monolith", address: "http://127.0.0.1:8001" });
  expect(await resolver.byCellName("us2")).toEqual({ silo: "monolith", address: "http://127.0.0.1:8001" });
  expect(await resolver.byCellName("us9")).toBeUndefined();
  expect(await resolver.byOrganizationSlug("acme")).toBeUndefined();
});
