import type { DescService } from "@bufbuild/protobuf";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceModule } from "@cellway/host";
import { errorMetadataOf, fanOut, reasonOf } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, until } from "./organizations.js";

/** Methods that the silos of an older release do not have yet, by silo. */
const MISSING = {
  us1: [OrganizationService.method.batchGetOrganizations],
  control: [DirectoryService.method.listCells, RouteFeedService.method.watchRoutes],
};
/** The silos that run the older release. */
const old = new Set<string>();
let fleet: Fleet;

/** The modules with contracts as they were before the methods were added. */
function before(silo: keyof typeof MISSING): ServiceModule[] {
  const missing = new Set<unknown>(MISSING[silo]);
  const trim = (service: DescService): DescService => {
    const methods = service.methods.filter((method) => !missing.has(method));
    if (methods.length === service.methods.length) return service;
    return { ...service, methods, method: Object.fromEntries(methods.map((method) => [method.localName, method])) };
  };
  return MODULES.map((module) => ({
    ...module,
    contracts: (context) =>
      module.contracts(context).map(({ service, implementation }) => ({ service: trim(service), implementation })),
  }));
}

const modulesOf = (silo: string) => (old.has(silo) ? before(silo as keyof typeof MISSING) : MODULES);
const askCell = (cellName: string) =>
  fleet.client(OrganizationService).batchGetOrganizations({ cellName, organizationIds: ["1"] });
const askControl = () => fleet.cell("us1").rpc.client(DirectoryService).listCells({});
async function watchControl() {
  for await (const _answer of fleet.cell("us1").rpc.client(RouteFeedService).watchRoutes({})) return;
}

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => ConnectError.from(error),
  );
}

/** Half of the calls took no longer than this, in milliseconds. */
async function medianOf(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < 51; index += 1) {
    const startedAt = performance.now();
    await failure(call());
    times.push(performance.now() - startedAt);
  }
  return times.toSorted((a, b) => a - b)[25] ?? Number.POSITIVE_INFINITY;
}

describe.each(["memory", "sockets"] as const)(
  "in a fleet over %s where us1 and control run an older release",
  (network) => {
    beforeAll(async () => {
      old.add("us1").add("control");
      fleet = await startFleet({ modules: MODULES, modulesOf, network });
    });
    afterAll(async () => {
      old.clear();
      await fleet.stop();
    });

    test.each([
      {
        method: "organization.BatchGetOrganizations",
        caller: "control",
        destination: "us1",
        call: () => askCell("us1"),
      },
      { method: "directory.ListCells", caller: "us1", destination: "control", call: askControl },
      { method: "route_feed.WatchRoutes", caller: "us1", destination: "control", call: watchControl },
    ])(
      "a call of $method is refused as PEER_TOO_OLD at once, counted and logged once",
      async ({ caller, method, destination, call }) => {
        const silo = fleet.cell(caller);
        const error = await failure(call());
        expect([error.code, reasonOf(error)]).toEqual([Code.Unimplemented, "PEER_TOO_OLD"]);
        expect(errorMetadataOf(error)).toMatchObject({
          silo: destination,
          method,
          digest: fleet.cell(destination).rpc.contractDigest(),
        });
        expect(await medianOf(call)).toBeLessThan(5);
        expect(await silo.metrics.value("cellway_rpc_client_peer_too_old_total", { method, destination })).toBe(52);
        expect(silo.log.filter((line) => line.includes(method) && line.includes("a call was refused"))).toHaveLength(1);
        expect(await silo.metrics.value("cellway_rpc_client_circuit_state", { destination })).toBe(0);
        const server = { method, caller, code: "unimplemented" };
        expect(await fleet.cell(destination).metrics.value("cellway_rpc_server_calls_total", server)).toBe(0);
      },
    );

    test("everything that both releases have goes on", async () => {
      const userId = await createUser(fleet);
      const { user } = await fleet.cell("us1").rpc.client(UserService).getUser({ userId });
      expect(user?.id).toBe(userId);
      const cancel = { cellName: "us1", organizationId: "1" };
      await fleet.client(OrganizationService).cancelOrganizationCreation(cancel);
    });

    test("a question to all cells names the old one", async () => {
      const page = await fanOut(["us1", "us2", "de1"], async (cell) => {
        await askCell(cell);
        return { items: [cell] };
      });
      expect(page.items.map(({ item }) => item)).toEqual(["de1", "us2"]);
      expect(page.failures.map(({ cell, error }) => [cell, reasonOf(error)])).toEqual([["us1", "PEER_TOO_OLD"]]);
    });

    test("what is supported is known before anything is called", async () => {
      const { batchGetOrganizations, getOrganization } = OrganizationService.method;
      const { rpc } = fleet.control;
      expect(await rpc.peerSupports(batchGetOrganizations, { cellName: "us1" })).toBe(false);
      expect(await rpc.peerSupports(batchGetOrganizations, { cellName: "us2" })).toBe(true);
      expect(await rpc.peerSupports(batchGetOrganizations, { cellName: "us2" }, { field: "organization_ids" })).toBe(
        true,
      );
      // In control itself, by its own contract.
      expect(await rpc.peerSupports(DirectoryService.method.listCells)).toBe(true);
      expect(await fleet.cell("us1").rpc.peerSupports(DirectoryService.method.listCells)).toBe(false);
      await expect(rpc.peerSupports(getOrganization, {})).rejects.toThrow("organization_id");
    });
  },
);

describe("a cell that is restarted under a control that goes on", () => {
  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES, modulesOf, limits: { peerWindowMs: 2_000, peerProbeMs: 50 } });
  });
  afterEach(() => old.clear());
  afterAll(() => fleet.stop());

  const outcomeOf = () => askCell("us1").then(() => "answered", reasonOf);

  test("as a newer release: its new method is called soon after", async () => {
    old.add("us1");
    await fleet.restart("us1");
    await until("control knows that the method is not there", async () => (await outcomeOf()) === "PEER_TOO_OLD");
    old.clear();
    await fleet.restart("us1");
    await until("the method is called", async () => (await outcomeOf()) === "answered");
  });

  test("as an older release again: no call of the method is sent any more", async () => {
    await until("the method is called", async () => (await outcomeOf()) === "answered");
    old.add("us1");
    await fleet.restart("us1");
    await until("control knows that the method is gone", async () => (await outcomeOf()) === "PEER_TOO_OLD");
    const isSupported = () =>
      fleet.control.rpc.peerSupports(OrganizationService.method.batchGetOrganizations, { cellName: "us1" });
    expect(await isSupported()).toBe(false);
  });
});

describe("what a silo says with a call", () => {
  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES });
  });
  afterAll(() => fleet.stop());

  test("is which service calls: a module by its name, an outbox by its own", async () => {
    const callers = new Map<string, string | null>();
    if (fleet.memory === undefined) throw new Error("needs the in-memory network");
    fleet.memory.onRequest = ({ url, header }) => {
      callers.set(url.slice(url.lastIndexOf("/") + 1), header.get("x-cellway-caller"));
    };
    await createOrganization(fleet, { cellName: "us1", ownerUserId: await createUser(fleet) });
    await until("us1 has told control", () => callers.has("DeliverToControl"));
    expect(callers.get("CreateOrganization")).toMatch(/^directory;/);
    expect(callers.get("DeliverToControl")).toMatch(/^cell_outbox;/);
  });
});
