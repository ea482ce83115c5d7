import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { deriveCellKey, reasonOf, type SigningKey } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";

let fleet: Fleet;
const slugs = { us1: "acme", de1: "globex" } as const;

beforeAll(async () => {
  const limits = { circuitMinCallsPerSecond: 1, circuitWindowMs: 1_000, circuitProbeMs: 100, circuitProbeMaxMs: 200 };
  fleet = await startFleet({ modules: MODULES, network: "sockets", limits });
  for (const [slug, locality] of [
    [slugs.us1, "us"],
    [slugs.de1, "de"],
  ] as const) {
    await fleet.client(DirectoryService).provisionOrganization({
      requestId: slug,
      slug,
      name: slug,
      locality,
      ownerUserId: "1",
      ownerEmail: "o@example.com",
    });
  }
});
afterAll(() => fleet.stop());

interface Tally {
  answered: number;
  failed: number;
  reasons: Set<string>;
  slowestMs: number;
}

/** Calls one cell over and over, one call after the other, until `isOver`. */
async function callUntil(slug: string, isOver: () => boolean): Promise<Tally> {
  const tally: Tally = { answered: 0, failed: 0, reasons: new Set(), slowestMs: 0 };
  while (!isOver()) {
    const startedAt = performance.now();
    try {
      const { organization } = await fleet.client(OrganizationService).getOrganizationBySlug({ slug });
      if (organization?.slug !== slug) throw new Error("the answer is wrong");
      tally.answered += 1;
    } catch (error) {
      tally.failed += 1;
      tally.reasons.add(`${Code[ConnectError.from(error).code]}/${reasonOf(error)}`);
    }
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - startedAt);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return tally;
}

/** Resolves when `condition` holds; the caller's load keeps the event loop turning. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("a cell that dies under load costs only itself, fails fast, and recovers by itself", async () => {
  let isOver = false;
  const stop = () => isOver;
  const healthy = Promise.all([callUntil(slugs.us1, stop), callUntil(slugs.us1, stop)]);
  const dying = Promise.all([callUntil(slugs.de1, stop), callUntil(slugs.de1, stop)]);
  const circuit = () => fleet.control.metrics.value("cellway_rpc_client_circuit_state", { destination: "de1" });

  await fleet.stopSilo("de1");
  await until(async () => (await circuit()) === 2);
  // Open: an answer at once, without a connection.
  const startedAt = performance.now();
  await expect(fleet.client(OrganizationService).getOrganizationBySlug({ slug: slugs.de1 })).rejects.toThrow("de1");
  expect(performance.now() - startedAt).toBeLessThan(1_000);

  await fleet.restart("de1");
  await until(async () => (await circuit()) === 0);
  expect((await fleet.client(OrganizationService).getOrganizationBySlug({ slug: slugs.de1 })).organization?.slug).toBe(
    slugs.de1,
  );
  isOver = true;

  for (const tally of await healthy) expect(tally.failed).toBe(0);
  for (const tally of await dying) {
    expect(tally.answered).toBeGreaterThan(0);
    expect(tally.failed).toBeGreaterThan(0);
    for (const reason of tally.reasons)
      expect(["Unavailable/SILO_UNREACHABLE", "Unavailable/CIRCUIT_OPEN", "Unavailable/undefined"]).toContain(reason);
  }
});

test("keys are rotated under load with no failed call", async () => {
  let isOver = false;
  const load = Promise.all([callUntil(slugs.us1, () => isOver), callUntil(slugs.us1, () => isOver)]);
  const next: SigningKey = { id: "next", secret: new Uint8Array(32).fill(9) };
  const rings = (keys: readonly SigningKey[]) => {
    for (const silo of fleet.silos.values()) {
      silo.keys.replace(silo.silo.mode === "CELL" ? keys.map((key) => deriveCellKey(key, silo.silo.name)) : keys);
    }
  };
  const turn = () => new Promise((resolve) => setTimeout(resolve, 50));
  // Everybody learns the new key, then signs with it, then forgets the old one.
  for (const keys of [[fleet.masterKey, next], [next, fleet.masterKey], [next]]) {
    await turn();
    rings(keys);
  }
  await turn();
  isOver = true;
  for (const tally of await load) expect([tally.failed, tally.answered > 0]).toEqual([0, true]);
  rings([fleet.masterKey]);
});

test("one cell's key cannot speak to another cell, nor as control", async () => {
  const stolen = fleet.cell("us1").keys;
  expect(stolen.keysBetween("control", "de1")).toEqual([]);
  expect(stolen.keysBetween("us1", "de1")).toEqual([]);
  expect(stolen.keysBetween("control", "us2")).toEqual([]);
});
