import type { ServiceContext } from "@cellway/host";
import { createLogger } from "@cellway/telemetry";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { DirectoryUpdates } from "./directory-updates.js";
import { organizationModule } from "./index.js";
import { cellClient, createFakeDirectory, createOrganizationMaker, type FakeDirectory } from "./test-support.js";

let fleet: Fleet;
let directory: FakeDirectory;

beforeAll(async () => {
  directory = createFakeDirectory();
  fleet = await startFleet({ modules: [organizationModule, directory.module], mode: "siloed" });
});

afterAll(async () => {
  await fleet?.stop();
});

const database = () => fleet.cell("us1").database("CELL");
const messagesFor = (id: string) => directory.received.filter((message) => message.organizationId === id);
const rename = (id: string, name: string) =>
  cellClient(fleet).updateOrganization({ organizationId: id, updateMask: { paths: ["name"] }, name });

/** What another process of the cell would deliver with. */
function createOtherProcess(): DirectoryUpdates {
  const { silo, rpc, metrics } = fleet.cell("us1");
  const logger = createLogger({ silo: "us1", level: "error", stream: { write: () => {} } });
  const context: ServiceContext = {
    silo,
    rpc,
    metrics,
    logger,
    topology: fleet.topology,
    database: database(),
    outbox: fleet.cell("us1").outbox("CELL"),
    now: Date.now,
  };
  return new DirectoryUpdates(context);
}

async function untilPending(): Promise<void> {
  const hasRows = () => database().query("select 1 from cell.pending_directory_update limit 1");
  while ((await hasRows()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("of two processes one delivers; a call in the other waits until its rows are gone", async () => {
  const { id } = await createOrganizationMaker(fleet)();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  directory.onSync = () => held;
  const call = rename(id, "Once");
  await untilPending();
  const other = createOtherProcess();
  await other.drain();
  let isFlushed = false;
  const flushed = other.flush(id).then(() => (isFlushed = true));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(isFlushed).toBe(false);
  release();
  await Promise.all([call, flushed]);
  expect(messagesFor(id).map((message) => message.organization?.name)).toEqual(["Org 1", "Once"]);
});

test("the lease of a process that died is taken over when it has run out", async () => {
  const { id } = await createOrganizationMaker(fleet, "us1", "late")();
  await database().query(
    "update cell.directory_update_lease set holder = gen_random_uuid(), expires_at = now() + interval '400 ms'",
  );
  await rename(id, "After");
  expect(messagesFor(id).at(-1)).toMatchObject({ organization: { name: "After" } });
});

const holders = () =>
  database().query<{ holder: string | null }[]>("select holder from cell.directory_update_lease where name = 'drain'");

test("stopped, it finishes the delivery under way, starts no other and gives the lease back", async () => {
  const create = createOrganizationMaker(fleet, "us1", "stopped");
  const organizations = [];
  for (let made = 0; made < 8; made += 1) organizations.push(await create());
  await database().query(
    `insert into cell.directory_update_lease (name, holder, expires_at) values ('drain', gen_random_uuid(), now() + interval '1 hour')
     on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at`,
  );
  await Promise.all(organizations.map(({ id }) => rename(id, "Told")));
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = 0;
  directory.onSync = () => {
    begun += 1;
    return held;
  };
  await database().query("update cell.directory_update_lease set holder = null");
  const stopping = createOtherProcess();
  const drained = stopping.drain();
  while (begun === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  let isStopped = false;
  const stopped = stopping.stop().then(() => (isStopped = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const begunAtStop = begun;
  expect([isStopped, (await holders())[0]?.holder === null]).toEqual([false, false]);
  release();
  await Promise.all([stopped, drained]);
  expect([begun, await holders()]).toEqual([begunAtStop, [{ holder: null }]]);
  expect(begun).toBeLessThan(organizations.length);
  await stopping.drain();
  expect(begun).toBe(begunAtStop);
  directory.onSync = async () => {};
});

test("a cell that stops gives the lease back although its call has answered already", async () => {
  const { id } = await createOrganizationMaker(fleet, "us1", "leaving")();
  directory.onSync = () => new Promise((resolve) => setTimeout(resolve, 1_500));
  await rename(id, "Leaving");
  expect((await holders())[0]?.holder).not.toBeNull();
  await fleet.stopSilo("us1", 3_000);
  directory.onSync = async () => {};
  await fleet.restart("us1");
  expect(await holders()).toEqual([{ holder: null }]);
  expect(messagesFor(id).at(-1)).toMatchObject({ organization: { name: "Leaving" } });
});
