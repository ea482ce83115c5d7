import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryService, type ProvisionOrganizationResponse } from "@cellway/gen/cellway/directory/v1/directory";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import type { Operator } from "cellway/dist/operator.js";
import pg from "pg";
import { createFleetOperator, type DevFleet, databaseUrlOf, readFleetFile, startDev } from "./command-line.js";
import { until } from "./organizations.js";
import { findPortBase } from "./processes.js";

let dataDir: string;
let fleet: DevFleet;
let operator: Operator;
let control: pg.Pool;
let cell: pg.Pool;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-killed-"));
  fleet = await startDev(dataDir, await findPortBase(), "--seed", "none");
  operator = await createFleetOperator(dataDir);
  control = new pg.Pool({ connectionString: await databaseUrlOf(fleet, "control") });
  cell = new pg.Pool({ connectionString: await databaseUrlOf(fleet, "de1") });
}, 90_000);
afterAll(async () => {
  await Promise.all([operator?.close(), control?.end(), cell?.end()]);
  fleet?.child.kill("SIGTERM");
  await fleet?.exited;
  await rm(dataDir, { recursive: true, force: true });
});

/** Kills control's process of now; it is restarted. */
async function killControl(): Promise<void> {
  const { silos } = await readFleetFile(dataDir);
  process.kill(silos.find(({ name }) => name === "control")?.pid ?? 0, "SIGKILL");
}

async function count(pool: pg.Pool, from: string, slug: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`select count(*)::int as count from ${from} = $1`, [slug]);
  return rows[0]?.count ?? -1;
}

let held: (() => Promise<void>)[] = [];

/** Holds writers of a table up until it is called, or the test ends. */
async function hold(pool: pg.Pool, table: string): Promise<() => Promise<void>> {
  const client = await pool.connect();
  const release = async () => {
    if (!held.includes(release)) return;
    held = held.filter((other) => other !== release);
    await client.query("rollback");
    client.release();
  };
  held.push(release);
  await client.query(`begin; lock table ${table} in share mode`);
  return release;
}

afterEach(async () => {
  await Promise.all(held.map((release) => release()));
});

const isRequested = async (slug: string) => (await count(control, "control.provision_request where slug", slug)) === 1;
const isCreated = async (slug: string) => (await count(cell, "cell.organization where slug", slug)) === 1;
const isMapped = async (slug: string) => (await count(control, "control.organization_mapping where slug", slug)) === 1;
const isConfirmed = async (slug: string) =>
  (await count(cell, "cell.organization where is_confirmed and slug", slug)) === 1;

/** Where control dies: has the request made, stops it there, and waits until it has got there. */
const STEPS: Record<string, (slug: string, request: () => void) => Promise<void>> = {
  "the request is written and the cell has not answered": async (slug, request) => {
    await hold(cell, "cell.organization");
    request();
    await until("the request is written", () => isRequested(slug));
  },
  "the cell has created the organization and nobody knows": async (slug, request) => {
    await hold(control, "control.organization_mapping");
    request();
    await until("the cell has created it", () => isCreated(slug));
  },
  "the organization exists and the cell has not been told": async (slug, request) => {
    await holdConfirmation(slug, request);
  },
  "the cell was told and control does not know that": async (slug, request) => {
    const confirm = await holdConfirmation(slug, request);
    // What was delivered cannot be deleted.
    await hold(control, "control.outbox");
    await confirm();
    await until("the cell was told", () => isConfirmed(slug));
  },
};

/** Waits until the organization is mapped, and keeps its cell from hearing of that. */
async function holdConfirmation(slug: string, request: () => void): Promise<() => Promise<void>> {
  const map = await hold(control, "control.organization_mapping");
  request();
  await until("the cell has created it", () => isCreated(slug));
  const confirm = await hold(cell, "cell.organization");
  await map();
  await until("it is mapped", () => isMapped(slug));
  expect(await isConfirmed(slug)).toBe(false);
  return confirm;
}

test.each(Object.keys(STEPS))(
  "control is killed when %s: the same request makes exactly one organization",
  async (step) => {
    const slug = `killed-${Object.keys(STEPS).indexOf(step)}`;
    const request = {
      requestId: slug,
      slug,
      name: slug,
      locality: "de",
      ownerUserId: "7",
      ownerEmail: "o@example.com",
    };
    const provision = () => operator.runtime.client(DirectoryService).provisionOrganization(request);
    await until("control serves", async () => {
      const answer = await operator.runtime
        .client(DirectoryService)
        .listCells({})
        .catch(() => undefined);
      return answer !== undefined;
    });
    let first: Promise<unknown> | undefined;
    await STEPS[step]?.(slug, () => {
      first = provision().catch(() => undefined);
    });
    await killControl();
    await Promise.all(held.map((release) => release()));
    await first;
    // Nobody waits for the worker that died longer than its lease.
    await control.query("update control.provision_request set lease_until = now() where request_id = $1", [slug]);
    let answer: ProvisionOrganizationResponse | undefined;
    await until("the request is answered", async () => {
      answer = await provision().catch(() => undefined);
      return answer !== undefined;
    });
    await until("the cell knows that it exists", () => isConfirmed(slug));
    expect(await provision()).toEqual(answer);
    expect([
      await count(control, "control.organization_slug_reservation where slug", slug),
      await count(control, "control.organization_mapping where slug", slug),
      await count(control, "control.provision_request where state = 'done' and request_id", slug),
      await count(cell, "cell.organization where slug", slug),
      await count(cell, "cell.organization where initial_owner_user_id = 7 and id", answer?.organizationId ?? ""),
    ]).toEqual([1, 1, 1, 1, 1]);
    await until(
      "everything is told",
      async () =>
        (await control.query("select from control.outbox union all select from control.outbox_held")).rowCount === 0,
    );
  },
  60_000,
);
