import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { organizationModule } from "../index.js";
import { cellClient, createOrganizationMaker, outcomeOf } from "../test-support.js";

let fleet: Fleet;
let client: ReturnType<typeof cellClient>;
let make: ReturnType<typeof createOrganizationMaker>;

beforeAll(async () => {
  fleet = await startFleet({ modules: [organizationModule], mode: "siloed" });
  client = cellClient(fleet);
  make = createOrganizationMaker(fleet);
});
afterAll(() => fleet?.stop());

const change = (organizationId: string, slug: string, changeNumber: string) =>
  client.changeOrganizationSlug({
    organizationId,
    slug,
    changeNumber,
    aliasExpiresAt: timestampFromMs(Date.now() + 60_000),
  });
const find = async (slug: string) => (await client.getOrganizationBySlug({ slug })).organization;

test("the same change twice is OK and changes the slug once", async () => {
  const { id, slug } = await make();
  await change(id, "twice", "1");
  await change(id, "twice", "1");
  expect(await find("twice")).toMatchObject({ id, slug: "twice" });
  expect(await find(slug)).toMatchObject({ id, slug: "twice" });
});

test("an older change is refused, also one that would lead back to where the organization was", async () => {
  const { id, slug } = await make();
  await change(id, "newest", "5");
  expect(await outcomeOf(change(id, slug, "4"))).toBe("FailedPrecondition SLUG_CHANGE_OUTDATED");
  expect((await find("newest"))?.slug).toBe("newest");
});

test("a slug that another organization has here is refused, and that change is never made later", async () => {
  const [{ id }, other] = [await make(), await make()];
  expect(await outcomeOf(change(id, other.slug, "2"))).toBe("AlreadyExists ORGANIZATION_CONFLICT");
  await client.deleteOrganization({ organizationId: other.id, immediately: true });
  expect(await outcomeOf(change(id, other.slug, "2"))).toBe("AlreadyExists ORGANIZATION_CONFLICT");
  await change(id, other.slug, "3");
  expect(await find(other.slug)).toMatchObject({ id });
});

test("an organization that takes the alias of another has it alone", async () => {
  const [one, other] = [await make(), await make()];
  await change(one.id, "moved-on", "1");
  await change(other.id, one.slug, "2");
  expect(await find(one.slug)).toMatchObject({ id: other.id });
  await change(other.id, "moved-on-too", "3");
  expect(await find(one.slug)).toMatchObject({ id: other.id });
});

test("an alias goes with its organization", async () => {
  const { id, slug } = await make();
  await change(id, "short-lived", "1");
  await client.deleteOrganization({ organizationId: id, immediately: true });
  expect(await find(slug)).toBeUndefined();
});

test("an organization that is not here has no slug to change", async () => {
  expect(await outcomeOf(change("99", "nobody", "1"))).toBe("NotFound ORGANIZATION_NOT_FOUND");
});
