import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { type CallContext, createRpcError, currentCall, SILO_HEADER, type Viewer, withViewer } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, type TestOrganization, until } from "./organizations.js";
import { failureOf } from "./scenario.js";
import { createGate, type Handler, inCell, inControl, SCRIPTED, serving } from "./scripted-modules.js";

let fleet: Fleet;

afterEach(() => {
  inCell.run = inControl.run = () => undefined;
  if (fleet.memory !== undefined) {
    fleet.memory.onRequest = undefined;
    fleet.memory.down.clear();
  }
});

const call = (cellName: string, options?: CallOptions) =>
  fleet.client(OrganizationService).batchGetOrganizations({ cellName, organizationIds: ["1"] }, options);
const callControl = (context: ServiceContext) => context.rpc.client(DirectoryService).listCells({});

describe.each(["memory", "sockets"] as const)("over %s", (network) => {
  beforeAll(async () => {
    fleet = await startFleet({
      modules: SCRIPTED,
      network,
      limits: { inFlightMax: 4, circuitMinCallsPerSecond: 1_000 },
    });
  });
  afterAll(() => fleet.stop());

  test("viewer, caller and trace are known to what is called, and to what that calls in turn", async () => {
    const viewer: Viewer = { kind: "user", userId: "7", tokenId: "&kind=system" };
    const seen: (CallContext | undefined)[] = [];
    inControl.run = () => seen.push(currentCall());
    inCell.run = (context) => {
      seen.push(currentCall());
      return callControl(context);
    };
    await serving(() => withViewer(viewer, () => call("us1")));
    const trace = expect.stringContaining("ab".repeat(16));
    expect(seen).toEqual([
      expect.objectContaining({ localMode: "CELL", siloName: "us1", caller: "control", viewer, traceparent: trace }),
      expect.objectContaining({ localMode: "CONTROL", siloName: "control", caller: "us1", viewer, traceparent: trace }),
    ]);
    await serving(() => call("us1"));
    expect(seen.slice(2).map((context) => context?.viewer)).toEqual([undefined, undefined]);
  });

  test("a call that is not answered in time fails in time, and the other cells are not affected", async () => {
    const { gate, run } = createGate();
    inCell.run = (context, handler) => (context.silo.name === "de1" ? run(context, handler) : undefined);
    const startedAt = performance.now();
    expect(await failureOf(call("de1", { timeoutMs: 50 }))).toEqual({
      code: Code.DeadlineExceeded,
      reason: "DEADLINE_EXCEEDED",
    });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await until("the cell knows that nobody waits", () => gate.entered === gate.left);
    await call("us1");
    gate.open();
  });

  test("a nested call has what is left, however much it or its contract asks for", async () => {
    const offered: number[] = [];
    const note: Handler = (_context, handler) => offered.push(Number(handler.requestHeader.get("connect-timeout-ms")));
    inControl.run = note;
    inCell.run = async (context, handler) => {
      note(context, handler);
      await context.rpc.client(DirectoryService).listCells({}, { timeoutMs: 60_000 });
    };
    await call("us1", { timeoutMs: 700 });
    await serving(() => call("us1", { timeoutMs: 60_000 }), { deadlineAtMs: Date.now() + 600 });
    const [first = 0, second = 0, third = 0, fourth = 0] = offered;
    expect(Math.min(...offered)).toBeGreaterThan(0);
    expect([first <= 700, second <= first, third <= 600, fourth <= third]).toEqual([true, true, true, true]);
  });

  test("a caller that goes away is told at once, and what it started is cancelled, nested calls too", async () => {
    const { gate, run } = createGate();
    inControl.run = run;
    let nested: Promise<unknown> | undefined;
    inCell.run = (context) => {
      nested = failureOf(callControl(context));
      return nested;
    };
    const controller = new AbortController();
    const outcome = failureOf(call("us1", { signal: controller.signal }));
    await until("the nested call has begun", () => gate.entered === 1);
    controller.abort();
    expect(await outcome).toMatchObject({ code: Code.Canceled });
    expect(await nested).toMatchObject({ code: Code.Canceled });
    await until("control has learned of it", () => gate.left === 1);
    gate.open();
  });

  test("a call whose caller has gone already is not sent", async () => {
    const { gate, run } = createGate();
    inCell.run = run;
    expect(await failureOf(call("us1", { signal: AbortSignal.abort() }))).toMatchObject({ code: Code.Canceled });
    expect(gate.entered).toBe(0);
  });

  test("one call more to a silo than may be in flight fails at once; other silos and later calls are served", async () => {
    const { gate, run } = createGate();
    inCell.run = (context, handler) => (context.silo.name === "de1" ? run(context, handler) : undefined);
    const waiting = Array.from({ length: 4 }, () => call("de1"));
    expect(await failureOf(call("de1"))).toEqual({ code: Code.ResourceExhausted, reason: "CONCURRENCY_LIMIT" });
    await Promise.all(Array.from({ length: 4 }, () => call("us1")));
    await until("all four are served", () => gate.entered === 4);
    gate.open();
    await Promise.all(waiting);
    await call("de1");
    expect(gate.entered).toBe(5);
  });

  test("a service that nobody hosts there and a method that nobody implements are UNIMPLEMENTED", async () => {
    const unimplemented = { code: Code.Unimplemented };
    const integrations = fleet.cell("us1").rpc.client(IntegrationService);
    expect(await failureOf(integrations.listIntegrations({}))).toMatchObject(unimplemented);
    const merge = { cellName: "us1", fromUserId: "1", toUserId: "2" };
    expect(await failureOf(fleet.client(OrganizationService).mergeUsers(merge))).toMatchObject(unimplemented);
  });

  test("an answer says which silo gave it, an error too", async () => {
    const served: (string | null)[] = [];
    for (const cellName of ["us1", "de1"])
      await call(cellName, { onHeader: (header) => served.push(header.get(SILO_HEADER)) });
    inCell.run = () => {
      throw createRpcError(Code.NotFound, "NOTHING_HERE", "nothing here");
    };
    await call("us2").catch((error: unknown) => served.push(ConnectError.from(error).metadata.get(SILO_HEADER)));
    expect(served).toEqual(["us1", "de1", "us2"]);
  });
});

describe("a viewer that was touched on the way", () => {
  beforeAll(async () => {
    fleet = await startFleet({ modules: SCRIPTED });
  });
  afterAll(() => fleet.stop());

  test.each<[string, Viewer | undefined, (header: Headers) => void]>([
    ["changed", { kind: "user", userId: "7" }, (header) => header.set("x-cellway-viewer", "kind=user&user_id=8")],
    ["added", undefined, (header) => header.set("x-cellway-viewer", "kind=system")],
    ["taken away", { kind: "user", userId: "7" }, (header) => header.delete("x-cellway-viewer")],
  ])("%s: the call is refused and not entered", async (_what, viewer, touch) => {
    const { gate, run } = createGate();
    inCell.run = run;
    if (fleet.memory !== undefined) fleet.memory.onRequest = ({ header }) => touch(header);
    const sent = serving(() => (viewer === undefined ? call("us1") : withViewer(viewer, () => call("us1"))));
    expect(await failureOf(sent)).toEqual({ code: Code.Unauthenticated, reason: "SIGNATURE_INVALID" });
    expect(gate.entered).toBe(0);
  });
});

describe("attempts", () => {
  let attempts: string[] = [];
  let de: TestOrganization;
  let us: TestOrganization;

  beforeAll(async () => {
    const limits = { circuitMinCallsPerSecond: 1_000, retryBudgetMax: 12, retryPauseMs: 1 };
    fleet = await startFleet({ modules: MODULES, limits });
    de = await createOrganization(fleet, { cellName: "de1", ownerUserId: "1" });
    us = await createOrganization(fleet, { cellName: "us1", ownerUserId: "1" });
  });
  afterAll(() => fleet.stop());

  /** From now on `fails(n)` says whether the nth call of the service in a cell is lost before it gets there; it counts from 1. */
  function countAttempts(fails: (attempt: number) => boolean): void {
    attempts = [];
    if (fleet.memory === undefined) throw new Error("needs the in-memory network");
    fleet.memory.onRequest = ({ url, header }) => {
      if (!url.includes("OrganizationService/")) return;
      attempts.push(header.get("authorization") ?? "");
      if (fails(attempts.length)) throw createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "lost on the way");
    };
  }
  const get = (organization: TestOrganization) =>
    fleet.client(OrganizationService).getOrganization({ organizationId: organization.id });
  const createTeam = (slug: string) =>
    fleet.client(OrganizationService).createTeam({ organizationId: de.id, slug, name: slug });
  const teams = async () => {
    const { teams } = await fleet.cell("de1").rpc.client(OrganizationService).listTeams({ organizationId: de.id });
    return teams.map((team) => team.slug).filter((slug) => slug !== de.slug);
  };

  test("a read is tried three times, each under a signature of its own, and answers when one gets through", async () => {
    countAttempts(() => true);
    expect(await failureOf(get(de))).toMatchObject({ code: Code.Unavailable });
    expect(new Set(attempts).size).toBe(3);
    countAttempts((attempt) => attempt < 3);
    expect((await get(de)).organization?.id).toBe(de.id);
    expect(attempts).toHaveLength(3);
  });

  test("what may not be done twice is tried once, because nobody knows whether it was done", async () => {
    countAttempts(() => true);
    expect(await failureOf(createTeam("once"))).toMatchObject({ code: Code.Unavailable });
    expect(attempts).toHaveLength(1);
  });

  test("what surely was not sent is tried again, whatever it is, and done once", async () => {
    fleet.memory?.down.add("http://de1.test:1");
    countAttempts((attempt) => {
      if (attempt === 3) fleet.memory?.down.clear();
      return false;
    });
    await createTeam("unsent");
    expect(attempts).toHaveLength(3);
    expect(await teams()).toEqual(["unsent"]);
  });

  test("an answer is never tried again, be it an error", async () => {
    countAttempts(() => false);
    expect(await failureOf(createTeam("unsent"))).toMatchObject({ code: Code.AlreadyExists });
    expect(attempts).toHaveLength(1);
  });

  test("a budget that is spent leaves one attempt for each call to that silo, and other silos their own", async () => {
    countAttempts(() => true);
    const spent = () =>
      fleet.control.metrics.value("cellway_rpc_client_retry_budget_exhausted_total", { destination: "de1" });
    // Each call earns a tenth of a repetition and takes two while there are any.
    for (let calls = 0; calls < 12; calls += 1) await failureOf(get(de));
    expect(await spent()).toBeGreaterThan(0);
    countAttempts(() => true);
    await failureOf(get(de));
    expect(attempts.length).toBeLessThan(3);
    countAttempts(() => true);
    await failureOf(get(us));
    expect(attempts).toHaveLength(3);
  });
});
