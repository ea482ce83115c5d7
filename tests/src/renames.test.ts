import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type CapturedRequest, createRpcError } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, type TestOrganization, untilDelivered } from "./organizations.js";
import { failureOf } from "./scenario.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const DE1 = "http://de1.test:1";

let fleet: Fleet;
let counter = 0;
let nowMs = Date.now();

beforeAll(async () => {
  // A circuit that opens would answer for the cell, and what is shown here is what happens when the cell does.
  fleet = await startFleet({ modules: MODULES, now: () => nowMs, limits: { circuitMinCallsPerSecond: 1_000_000 } });
});
afterAll(() => fleet?.stop());
afterEach(() => {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  fleet.memory?.down.clear();
  nowMs = Date.now();
});

function create(): Promise<TestOrganization> {
  counter += 1;
  return createOrganization(fleet, { cellName: "de1", ownerUserId: "7", slug: `before-${counter}` });
}

const newSlug = () => `after-${++counter}`;
const directory = () => fleet.client(DirectoryService);
const rename = async (organization: TestOrganization, slug: string) =>
  (await directory().renameOrganization({ organizationId: organization.id, slug })).mapping?.slug;

const mappingOf = async (slug: string) =>
  (await directory().getOrganizationMapping({ organization: { case: "slug", value: slug } })).mapping;

/** The id and present slug that a slug leads to, in the directory and in the cell. */
async function follow(slug: string) {
  const mapping = await mappingOf(slug);
  const { organization } = await fleet.client(OrganizationService).getOrganizationBySlug({ slug });
  return [
    [mapping?.organizationId, mapping?.slug],
    [organization?.id, organization?.slug],
  ];
}
const NOWHERE = [
  [undefined, undefined],
  [undefined, undefined],
];
const at = ({ id }: TestOrganization, slug: string) => [
  [id, slug],
  [id, slug],
];

/** `PRIMARY after-1`: every slug that is reserved for the organization. */
async function reservedFor({ id }: TestOrganization): Promise<string[]> {
  const rows = await fleet.control
    .database("CONTROL")
    .query<{ text: string }[]>(
      "select kind || ' ' || slug as text from control.organization_slug_reservation where organization_id = $1 order by 1",
      [id],
    );
  return rows.map((row) => row.text);
}

/** Loses the reply of the next change of a slug, after the cell has made it; keeps what was sent. */
function loseReplies(): CapturedRequest[] {
  const sent: CapturedRequest[] = [];
  const { memory } = fleet;
  if (memory === undefined) throw new Error("needs the in-memory network");
  memory.onRequest = async (request) => {
    if (!request.url.endsWith("ChangeOrganizationSlug")) return;
    const copy = { ...request, header: new Headers(request.header) };
    sent.push(copy);
    await memory.deliver(copy);
    throw createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", "the reply was lost");
  };
  return sent;
}

const sweep = () => fleet.control.tasks.runNow("directory.sweep-renames");

test("an organization that is renamed is found by its new slug and by its old one, and says the new one", async () => {
  const organization = await create();
  const slug = newSlug();
  expect(await rename(organization, slug)).toBe(slug);
  expect(await follow(slug)).toEqual(at(organization, slug));
  expect(await follow(organization.slug)).toEqual(at(organization, slug));
  expect(await reservedFor(organization)).toEqual([`ALIAS ${organization.slug}`, `PRIMARY ${slug}`]);
  expect(await rename(organization, slug)).toBe(slug);
});

test("nobody else gets an organization's old slug while it is an alias; the organization itself gets it back", async () => {
  const organization = await create();
  const other = await create();
  const slug = newSlug();
  await rename(organization, slug);
  const taken = { code: Code.AlreadyExists, reason: "SLUG_TAKEN" };
  expect(await failureOf(rename(other, organization.slug))).toEqual(taken);
  expect(await failureOf(createOrganization(fleet, { ...organization, ownerUserId: "7" }))).toEqual(taken);
  expect(await rename(organization, organization.slug)).toBe(organization.slug);
  expect(await follow(slug)).toEqual(at(organization, organization.slug));
  expect(await reservedFor(organization)).toEqual([`ALIAS ${slug}`, `PRIMARY ${organization.slug}`]);
});

test("an alias ends after 30 days and not before; then the slug is free, in the same cell too", async () => {
  const organization = await create();
  const slug = newSlug();
  await rename(organization, slug);
  const dropExpired = async () => {
    await fleet.control.tasks.runNow("directory.drop-expired-aliases");
    await fleet.cell("de1").tasks.runNow("organization.drop-expired-aliases");
  };
  nowMs += 30 * DAY_MS - 60_000;
  await dropExpired();
  expect(await follow(organization.slug)).toEqual(at(organization, slug));
  nowMs += 120_000;
  await dropExpired();
  expect(await follow(organization.slug)).toEqual(NOWHERE);
  const next = await createOrganization(fleet, { cellName: "de1", ownerUserId: "7", slug: organization.slug });
  expect(await follow(organization.slug)).toEqual(at(next, organization.slug));
  expect(await follow(slug)).toEqual(at(organization, slug));
});

test("a cell answers no alias that has expired, also before it is dropped", async () => {
  const organization = await create();
  await rename(organization, newSlug());
  nowMs += 31 * DAY_MS;
  const { organization: found } = await fleet
    .cell("de1")
    .rpc.client(OrganizationService)
    .getOrganizationBySlug({ slug: organization.slug });
  expect(found).toBeUndefined();
});

test.each([
  ["a reserved word", "admin", Code.InvalidArgument, "SLUG_RESERVED"],
  ["a locality's name", "us", Code.InvalidArgument, "SLUG_RESERVED"],
  ["digits only", "123", Code.InvalidArgument, "INVALID_FIELD"],
])("a rename to %s is refused and takes nothing", async (_what, slug, code, reason) => {
  const organization = await create();
  expect(await failureOf(rename(organization, slug))).toEqual({ code, reason });
  expect(await reservedFor(organization)).toEqual([`PRIMARY ${organization.slug}`]);
});

test("an organization that is not there cannot be renamed", async () => {
  const notFound = { code: Code.NotFound, reason: "ORGANIZATION_NOT_FOUND" };
  expect(await failureOf(rename({ id: "12345", slug: "", cellName: "de1" }, newSlug()))).toEqual(notFound);
});

test("of two renames of one organization at once one wins and the other is told", async () => {
  const organization = await create();
  const slugs = [newSlug(), newSlug()];
  let second: Promise<unknown> | undefined;
  if (fleet.memory !== undefined) {
    fleet.memory.onRequest = async ({ url }) => {
      if (!url.endsWith("ChangeOrganizationSlug") || second !== undefined) return;
      second = failureOf(rename(organization, slugs[1] ?? ""));
      await second;
    };
  }
  expect(await rename(organization, slugs[0] ?? "")).toBe(slugs[0]);
  expect(await second).toEqual({ code: Code.Aborted, reason: "RENAME_IN_PROGRESS" });
  expect(await follow(slugs[1] ?? "")).toEqual(NOWHERE);
  expect(await rename(organization, slugs[1] ?? "")).toBe(slugs[1]);
});

test("ten organizations that want one slug at once: one gets it, the others keep theirs", async () => {
  const organizations: TestOrganization[] = [];
  for (let made = 0; made < 10; made += 1) organizations.push(await create());
  const slug = newSlug();
  const outcomes = await Promise.allSettled(organizations.map((organization) => rename(organization, slug)));
  const winner = organizations[outcomes.findIndex(({ status }) => status === "fulfilled")];
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const organization of organizations) {
    expect(await follow(organization.slug)).toEqual(
      at(organization, organization === winner ? slug : organization.slug),
    );
  }
});

test("a cell that is down leaves everything as it was, and the same call works when it is back", async () => {
  const organization = await create();
  const slug = newSlug();
  fleet.memory?.down.add(DE1);
  expect(await failureOf(rename(organization, slug))).toEqual({ code: Code.Unavailable, reason: "RENAME_FAILED" });
  expect(await reservedFor(organization)).toEqual([`PRIMARY ${organization.slug}`]);
  fleet.memory?.down.clear();
  expect(await rename(organization, slug)).toBe(slug);
});

test("a rename back to an alias that fails leaves the alias", async () => {
  const organization = await create();
  const slug = newSlug();
  await rename(organization, slug);
  fleet.memory?.down.add(DE1);
  expect(await failureOf(rename(organization, organization.slug))).toMatchObject({ reason: "RENAME_FAILED" });
  expect(await reservedFor(organization)).toEqual([`ALIAS ${organization.slug}`, `PRIMARY ${slug}`]);
});

test("when every reply is lost both slugs lead to the organization, and the sweep finishes the rename", async () => {
  const organization = await create();
  const slug = newSlug();
  loseReplies();
  expect(await failureOf(rename(organization, slug))).toEqual({ code: Code.Unavailable, reason: "RENAME_PENDING" });
  expect(await reservedFor(organization)).toEqual([`PRIMARY ${organization.slug}`, `RENAME ${slug}`]);
  const ids = [...(await follow(slug)), ...(await follow(organization.slug))].map(([id]) => id);
  expect(ids).toEqual(Array(4).fill(organization.id));
  await sweep();
  expect(await reservedFor(organization)).toEqual([`PRIMARY ${organization.slug}`, `RENAME ${slug}`]);
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await sweep();
  expect(await reservedFor(organization)).toEqual([`ALIAS ${organization.slug}`, `PRIMARY ${slug}`]);
  expect(await follow(organization.slug)).toEqual(at(organization, slug));
});

test("a change of the slug that comes late, after another rename, changes nothing", async () => {
  const organization = await create();
  const [first, second] = [newSlug(), newSlug()];
  let late: CapturedRequest | undefined;
  const { memory } = fleet;
  if (memory !== undefined) {
    memory.onRequest = (request) => {
      if (!request.url.endsWith("ChangeOrganizationSlug") || late !== undefined) return;
      late = { ...request, header: new Headers(request.header) };
      throw createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "lost on the way");
    };
  }
  await rename(organization, first);
  await rename(organization, second);
  const reply = late === undefined ? undefined : await memory?.deliver(late);
  expect(reply?.status).not.toBe(200);
  expect(await follow(second)).toEqual(at(organization, second));
});

test("an organization that is purged in the middle of a rename leaves no slug taken", async () => {
  const organization = await create();
  const slug = newSlug();
  loseReplies();
  await failureOf(rename(organization, slug));
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await fleet.client(OrganizationService).deleteOrganization({ organizationId: organization.id, immediately: true });
  await untilDelivered(fleet, ["de1"]);
  await sweep();
  expect(await reservedFor(organization)).toEqual([]);
  expect(await follow(slug)).toEqual(NOWHERE);
  const next = await createOrganization(fleet, { cellName: "de1", ownerUserId: "7", slug });
  expect(await follow(slug)).toEqual(at(next, slug));
});

test("what changes of an organization while it is renamed reaches the directory", async () => {
  const organization = await create();
  const slug = newSlug();
  loseReplies();
  await failureOf(rename(organization, slug));
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await fleet.client(OrganizationService).updateOrganization({
    organizationId: organization.id,
    name: "Renamed",
    updateMask: { paths: ["name"] },
  });
  await sweep();
  await untilDelivered(fleet, ["de1"]);
  expect(await mappingOf(slug)).toMatchObject({ slug, name: "Renamed" });
});

test("every change of where slugs lead makes the route's epoch grow", async () => {
  const organization = await create();
  const slug = newSlug();
  const created = Number((await mappingOf(organization.slug))?.routeEpoch);
  await rename(organization, slug);
  const renamed = Number((await mappingOf(slug))?.routeEpoch);
  expect(renamed).toBeGreaterThan(created);
  nowMs += 31 * DAY_MS;
  await fleet.control.tasks.runNow("directory.drop-expired-aliases");
  expect(Number((await mappingOf(slug))?.routeEpoch)).toBeGreaterThan(renamed);
});

test("in a monolith renames and aliases are the same", async () => {
  const monolith = await startFleet({ modules: MODULES, mode: "monolith", now: () => nowMs });
  try {
    const client = monolith.client(DirectoryService);
    const organization = await createOrganization(monolith, { cellName: "de1", ownerUserId: "7", slug: "mono" });
    await client.renameOrganization({ organizationId: organization.id, slug: "stereo" });
    const find = (slug: string) => monolith.client(OrganizationService).getOrganizationBySlug({ slug });
    for (const slug of ["mono", "stereo"])
      expect((await find(slug)).organization).toMatchObject({ id: organization.id, slug: "stereo" });
    nowMs += 31 * DAY_MS;
    expect((await find("mono")).organization).toBeUndefined();
  } finally {
    await monolith.stop();
  }
});
