import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type CapturedRequest, createRpcError } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let counter = 0;

beforeAll(async () => {
  // A circuit that opens would answer for the cell, and what is shown here is what happens when the cell does.
  fleet = await startFleet({ modules: MODULES, limits: { circuitMinCallsPerSecond: 1_000_000 } });
});
afterAll(() => fleet.stop());
afterEach(() => {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  fleet.memory?.down.clear();
});

function createRequest(overrides: { slug?: string; requestId?: string; locality?: string } = {}) {
  counter += 1;
  const slug = overrides.slug ?? `org-${counter}`;
  return {
    requestId: `r-${counter}`,
    slug,
    name: slug,
    locality: "de",
    ownerUserId: "7",
    ownerEmail: "o@example.com",
    ...overrides,
  };
}

const provision = (request: ReturnType<typeof createRequest>) =>
  fleet.client(DirectoryService).provisionOrganization(request);

async function countOf(silo: "control" | "de1" | "us1", table: string, where: string, value: string): Promise<number> {
  const side = silo === "control" ? "CONTROL" : "CELL";
  const rows = await fleet
    .cell(silo)
    .database(side)
    .query(`select count(*)::int as count from ${table} where ${where} = $1`, [value]);
  return (rows as { count: number }[])[0]?.count ?? -1;
}

/** Reservations, mappings and organizations that have the slug: [1, 1, 1] when it exists once, [0, 0, 0] when nothing is left. */
async function traces(slug: string): Promise<number[]> {
  return [
    await countOf("control", "control.organization_slug_reservation", "slug", slug),
    await countOf("control", "control.organization_mapping", "slug", slug),
    (await countOf("de1", "cell.organization", "slug", slug)) +
      (await countOf("us1", "cell.organization", "slug", slug)),
  ];
}

/** Loses the reply of the next `times` calls of a method: the cell has done its work, and nobody learns of it. */
function loseReplies(method: string, times: number): void {
  let left = times;
  const { memory } = fleet;
  if (memory === undefined) throw new Error("needs the in-memory network");
  memory.onRequest = async (request: CapturedRequest) => {
    if (!request.url.endsWith(method) || left === 0) return;
    left -= 1;
    await memory.deliver({ ...request, header: new Headers(request.header) });
    throw createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "the reply was lost");
  };
}

test("an organization lands in the new-organization cell of its locality and nowhere else", async () => {
  const request = createRequest();
  const answer = await provision(request);
  expect(answer).toMatchObject({ cellName: "de1", locality: "de", slug: request.slug });
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
  expect(await countOf("us1", "cell.organization", "slug", request.slug)).toBe(0);
});

test("a cell that is down leaves no slug taken, and the same request works when it is back", async () => {
  const request = createRequest();
  fleet.memory?.down.add("http://de1.test:1");
  expect(await failureOf(provision(request))).toEqual({ code: Code.Unavailable, reason: "PROVISIONING_FAILED" });
  expect(await traces(request.slug)).toEqual([0, 0, 0]);
  const elsewhere = await provision(createRequest({ slug: request.slug, locality: "us" }));
  expect(elsewhere.cellName).toBe("us1");
  fleet.memory?.down.clear();
  expect(await failureOf(provision(request))).toEqual({ code: Code.AlreadyExists, reason: "SLUG_TAKEN" });
});

test("a lost reply is repeated by the runtime, and there is one organization", async () => {
  const request = createRequest();
  loseReplies("CreateOrganization", 1);
  const answer = await provision(request);
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
  expect(await provision(request)).toEqual(answer);
});

test("when every reply is lost, no slug stays taken and no half organization is left", async () => {
  const request = createRequest();
  loseReplies("CreateOrganization", 99);
  expect(await failureOf(provision(request))).toMatchObject({ code: Code.Unavailable });
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  const answer = await provision(request);
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
  expect(await countOf("de1", "cell.organization", "id", answer.organizationId)).toBe(1);
});

test("an organization whose creation was cancelled cannot be created by a late request", async () => {
  const request = createRequest();
  const { memory } = fleet;
  let late: CapturedRequest | undefined;
  if (memory !== undefined) {
    memory.onRequest = (captured) => {
      if (!captured.url.endsWith("CreateOrganization") || late !== undefined) return;
      late = { ...captured, header: new Headers(captured.header) };
      throw createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", "lost on the way");
    };
  }
  expect(await failureOf(provision(request))).toMatchObject({ code: Code.Unavailable });
  const answer = await provision(request);
  const reply = late === undefined ? undefined : await memory?.deliver(late);
  expect(reply?.status).not.toBe(200);
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
  expect(await countOf("de1", "cell.organization", "id", answer.organizationId)).toBe(1);
});

test("a request that its worker abandoned is undone by the sweep", async () => {
  const request = createRequest();
  loseReplies("CreateOrganization", 99);
  fleet.memory?.down.clear();
  await failureOf(provision(request));
  const control = fleet.control.database("CONTROL");
  await control.query(
    "update control.provision_request set lease_until = now() - interval '1 second' where request_id = $1",
    [request.requestId],
  );
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await fleet.control.tasks.runNow("directory.sweep-provisioning");
  expect(await traces(request.slug)).toEqual([0, 0, 0]);
  expect(await countOf("control", "control.provision_request", "request_id", request.requestId)).toBe(0);
});

test("twenty requests for one slug at once: one gets it, the others are told, and there is one organization", async () => {
  const slug = "contested";
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => provision(createRequest({ slug, requestId: `contest-${index}` }))),
  );
  expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
  expect(await traces(slug)).toEqual([1, 1, 1]);
});

test("the same request ten times at once gives one organization", async () => {
  const request = createRequest();
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => provision(request)));
  const ids = new Set(
    answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value.organizationId] : [])),
  );
  expect(ids.size).toBe(1);
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
});

test.each([
  ["a locality's name", { slug: "us" }, Code.InvalidArgument, "SLUG_RESERVED"],
  ["digits only", { slug: "12345" }, Code.InvalidArgument, "INVALID_FIELD"],
  ["capital letters", { slug: "Acme" }, Code.InvalidArgument, "INVALID_FIELD"],
])("a slug of %s is refused", async (_what, overrides, code, reason) => {
  expect(await failureOf(provision(createRequest(overrides)))).toEqual({ code, reason });
});

test("an unknown locality is NOT_FOUND and takes nothing", async () => {
  const request = createRequest({ locality: "mars" });
  expect(await failureOf(provision(request))).toEqual({ code: Code.NotFound, reason: "LOCALITY_NOT_FOUND" });
  expect(await traces(request.slug)).toEqual([0, 0, 0]);
});

test("a cell created for another cell's name refuses: WRONG_CELL", async () => {
  const local = fleet.cell("us1").rpc.client(OrganizationService);
  const wanted = {
    cellName: "de1",
    organizationId: "99",
    slug: "wrong",
    name: "W",
    ownerUserId: "1",
    ownerEmail: "w@example.com",
  };
  expect(await failureOf(local.createOrganization(wanted))).toEqual({
    code: Code.FailedPrecondition,
    reason: "WRONG_CELL",
  });
});

test("a cell that did its work and then died leaves no organization behind when it returns", async () => {
  const request = createRequest();
  const { memory } = fleet;
  let attempts = 0;
  if (memory !== undefined) {
    memory.onRequest = async (captured) => {
      if (!captured.url.endsWith("CreateOrganization")) return;
      attempts += 1;
      if (attempts > 1) return;
      await memory.deliver({ ...captured, header: new Headers(captured.header) });
      memory.down.add("http://de1.test:1");
      throw createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "the cell died before it answered");
    };
  }
  // The second attempt is refused at once and surely did not arrive; the first one did.
  expect(await failureOf(provision(request))).toMatchObject({ code: Code.Unavailable });
  memory?.down.clear();
  const answer = await provision(createRequest({ slug: request.slug }));
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
  expect(await countOf("de1", "cell.organization", "id", answer.organizationId)).toBe(1);
});

test("a worker that comes back late cannot undo what its successor made", async () => {
  const request = createRequest();
  const { memory } = fleet;
  const control = fleet.control.database("CONTROL");
  let successor: Promise<{ organizationId: string }> | undefined;
  if (memory !== undefined) {
    memory.onRequest = async (captured) => {
      if (!captured.url.endsWith("CreateOrganization") || successor !== undefined) return;
      // The first worker is frozen here for longer than its lease; the second one does the work.
      await control.query(
        "update control.provision_request set lease_until = now() - interval '1 second' where request_id = $1",
        [request.requestId],
      );
      successor = provision(request);
      await successor;
      throw createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", "the first worker's call ran out of time");
    };
  }
  await failureOf(provision(request));
  const answer = await successor;
  expect(await traces(request.slug)).toEqual([1, 1, 1]);
  const { organization } = await fleet.client(OrganizationService).getOrganizationBySlug({ slug: request.slug });
  expect(organization?.id).toBe(answer?.organizationId);
});

test("a slug that is used again is found in its new cell at once", async () => {
  const request = createRequest();
  const first = await provision(request);
  const organizations = fleet.client(OrganizationService);
  expect((await organizations.getOrganizationBySlug({ slug: request.slug })).organization?.id).toBe(
    first.organizationId,
  );
  await organizations.deleteOrganization({ organizationId: first.organizationId, immediately: true });
  const second = await provision(createRequest({ slug: request.slug, locality: "us" }));
  expect((await organizations.getOrganizationBySlug({ slug: request.slug })).organization?.id).toBe(
    second.organizationId,
  );
});
