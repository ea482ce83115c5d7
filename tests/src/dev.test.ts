import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import {
  buf,
  cellway,
  createFleetOperator,
  type DevFleet,
  databaseUrlOf,
  rpcAddressOf,
  startDev,
} from "./command-line.js";
import { findPortBase, findPostgres, killHard } from "./processes.js";
import { runScenario } from "./scenario.js";

const SERVICE = "cellway.organization.v1.OrganizationService";
let dataDir: string;
let portBase: number;
let fleet: DevFleet;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-dev-"));
  portBase = await findPortBase();
  fleet = await startDev(dataDir, portBase, "--seed", "none");
}, 90_000);
afterAll(async () => {
  fleet.child.kill("SIGTERM");
  await fleet.exited;
  await rm(dataDir, { recursive: true, force: true });
});

async function call<T = unknown>(method: string, data: object, ...args: string[]): Promise<T> {
  const result = await cellway(
    "call",
    method,
    "--data-dir",
    dataDir,
    "--data",
    JSON.stringify(data),
    "--json",
    ...args,
  );
  expect([result.code, result.stderr]).toEqual([0, expect.anything()]);
  return JSON.parse(result.stdout) as T;
}

async function query(silo: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: await databaseUrlOf(fleet, silo) });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

test("a call from control lands in the organization's cell, and everybody says so", async () => {
  const newUser = { username: "ada", email: "ada@example.com", displayName: "Ada" };
  const { user } = await call<{ user: { id: string } }>("user.CreateUser", newUser);
  const request = {
    requestId: "r1",
    slug: "globex",
    name: "Globex",
    locality: "de",
    ownerUserId: user.id,
    ownerEmail: "ada@example.com",
  };
  const created = await call<{ organizationId: string }>("directory.ProvisionOrganization", request);
  expect(created).toMatchObject({ cellName: "de1", slug: "globex" });

  const found = await cellway(
    "call",
    "organization.GetOrganizationBySlug",
    "--data-dir",
    dataDir,
    "--data",
    '{"slug":"globex"}',
    "--verbose",
  );
  expect(JSON.parse(found.stdout)).toMatchObject({ organization: { slug: "globex" } });
  expect(found.stderr).toContain("de1");

  const explained = await cellway(
    "explain",
    "organization.GetOrganizationBySlug",
    "--data-dir",
    dataDir,
    "--data",
    '{"slug":"globex"}',
    "--json",
  );
  expect(JSON.parse(explained.stdout)).toMatchObject({ from: "control", runsIn: "de1", transport: "network" });

  for (const slug of ["globex-once", "globex"])
    await call("directory.RenameOrganization", { organizationId: created.organizationId, slug });
  const key = await cellway("explain", "slug:globex-once", "--data-dir", dataDir, "--json");
  expect(JSON.parse(key.stdout)).toMatchObject({
    rule: "organization slug alias",
    organizationSlug: "globex",
    cell: "de1",
    locality: "de",
  });
  const nowhere = await cellway("explain", "project-key:0123456789abcdef0123456789abcdef", "--data-dir", dataDir);
  expect(nowhere.stdout).toContain("there is no project key 0123456789abcdef0123456789abcdef");

  expect(await readFile(join(dataDir, "logs", "de1.log"), "utf8")).toContain('"organization.GetOrganizationBySlug"');
  expect(await readFile(join(dataDir, "logs", "us1.log"), "utf8")).not.toContain(
    '"organization.GetOrganizationBySlug"',
  );
  expect(await query("de1", "select slug from cell.organization")).toEqual([{ slug: "globex" }]);
  expect(await query("us1", "select slug from cell.organization")).toEqual([]);
});

test("the scenario gives the same answers between real processes", async () => {
  const operator = await createFleetOperator(dataDir);
  try {
    await runScenario((service) => operator.runtime.client(service), "real");
  } finally {
    await operator.close();
  }
});

test.each(["connect", "grpc", "grpcweb"])("buf curl lists, checks and calls with a token over %s", async (protocol) => {
  const origin = rpcAddressOf(fleet, "de1");
  const flags = ["curl", "--http2-prior-knowledge", "--protocol", protocol];
  const list = await buf(...flags, "--list-services", origin);
  expect(list.stdout).toContain(SERVICE);
  const health = await buf(...flags, "--data", "{}", `${origin}/grpc.health.v1.Health/Check`);
  expect(JSON.parse(health.stdout)).toEqual({ status: "SERVING" });
  const token = await cellway(
    "token",
    "--data-dir",
    dataDir,
    "--method",
    "organization.GetOrganizationBySlug",
    "--silo",
    "de1",
    "--ttl",
    "1m",
  );
  const target = ["--data", '{"slug":"globex"}', `${origin}/${SERVICE}/GetOrganizationBySlug`];
  const answer = await buf(...flags, "-H", token.stdout.trim(), ...target);
  expect(JSON.parse(answer.stdout)).toMatchObject({ organization: { slug: "globex" } });
  const refused = await buf(...flags, ...target);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain("unauthenticated");
});

test("a token for one method opens no other, and one for a cell opens no other cell", async () => {
  const token = await cellway(
    "token",
    "--data-dir",
    dataDir,
    "--method",
    "organization.GetOrganization",
    "--silo",
    "de1",
    "--ttl",
    "1m",
  );
  const curl = (silo: string, method: string) =>
    buf(
      "curl",
      "--http2-prior-knowledge",
      "--protocol",
      "grpc",
      "-H",
      token.stdout.trim(),
      "--data",
      '{"slug":"globex"}',
      `${rpcAddressOf(fleet, silo)}/${SERVICE}/${method}`,
    );
  for (const result of [await curl("de1", "GetOrganizationBySlug"), await curl("us1", "GetOrganizationBySlug")]) {
    expect(result.stderr).toContain("unauthenticated");
  }
});

test("every silo and router is alive, ready and measured", async () => {
  for (const edge of fleet.edges) {
    const ready = await fetch(`${edge.httpAddress}/readyz`);
    expect(await ready.json()).toMatchObject({ edge: edge.name, ready: true, following: true });
    expect(await (await fetch(`${edge.httpAddress}/metrics`)).text()).toContain(`silo="edge:${edge.name}"`);
  }
  expect(fleet.edges.map(({ name }) => name)).toEqual(["router", "ingest"]);
  for (const silo of fleet.silos) {
    expect((await fetch(`${silo.httpAddress}/healthz`)).status).toBe(200);
    const ready = await fetch(`${silo.httpAddress}/readyz`);
    expect(await ready.json()).toMatchObject({ silo: silo.name, ready: true, database: "ok", migrations_pending: [] });
    expect(await (await fetch(`${silo.httpAddress}/metrics`)).text()).toContain(`silo="${silo.name}"`);
    expect((await fetch(`${silo.httpAddress}/nowhere`)).status).toBe(404);
  }
});

test("cells are added, drained, changed and removed from the command line; a refusal has its counts and exit code 1", async () => {
  const cells = (...args: string[]) => cellway("cells", ...args, "--data-dir", dataDir, "--json");
  const add = ["add", "us3", "--locality", "us", "--number", "33", "--rpc-address", "http://127.0.0.1:1"];
  expect(JSON.parse((await cells(...add, "--weight", "50", "--draining")).stdout)).toMatchObject({
    name: "us3",
    weight: 50,
    capacity: null,
    state: "draining",
  });
  expect(JSON.parse((await cells("undrain", "us3")).stdout)).toMatchObject({ state: "active" });
  expect(JSON.parse((await cells("update", "us3", "--capacity", "9")).stdout)).toMatchObject({
    weight: 50,
    capacity: 9,
  });
  const drained = await cellway("cells", "drain", "us3", "--data-dir", dataDir);
  expect(drained.stdout).toBe(
    "us3 takes no new organizations; organizations left there, those being created included: 0.\n",
  );
  expect(JSON.parse((await cells("drain", "de1")).stdout)).toMatchObject({
    name: "de1",
    state: "draining",
    organizations: expect.any(Number),
  });
  const last = await cellway("cells", "drain", "de1", "--data-dir", dataDir);
  expect(last.stdout).toMatch(/included: [1-9]\d*; locality de has no cell left that takes new ones\.\n$/);
  await cells("undrain", "de1");
  expect((await cells("remove", "us3")).stdout).toContain('{"removed":true}');
  const refused = await cells("remove", "de1");
  expect([refused.code, JSON.parse(refused.stderr)]).toMatchObject([
    1,
    { reason: "CELL_NOT_EMPTY", metadata: { cell: "de1", provisioning: "0" } },
  ]);
  expect(JSON.parse((await cells(...add)).stderr)).toMatchObject({ reason: "CELL_NUMBER_USED" });
  const listed = JSON.parse((await cells("list")).stdout) as { cells: { name: string; organizations: number }[] };
  expect(listed.cells.map(({ name }) => name)).toEqual(["de1", "us1", "us2"]);
  expect(listed.cells[0]?.organizations).toBeGreaterThan(0);
});

test("a second start on the same ports says which port is taken and how to move", async () => {
  const other = await mkdtemp(join(tmpdir(), "cellway-dev-"));
  const result = await cellway("dev", "--data", other, "--port-base", String(portBase), "--json");
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain(String(portBase));
  expect(result.stderr).toContain("--port-base");
  await rm(other, { recursive: true, force: true });
});

test("a failed call gives code, reason and message on standard error, and exit code 1", async () => {
  const result = await cellway(
    "call",
    "organization.ListTeams",
    "--data-dir",
    dataDir,
    "--data",
    '{"organizationId":"77"}',
  );
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("CELL_MAPPING_NOT_FOUND");
});

test("after everything was killed at once, a new start finds the data", async () => {
  for (const one of [...fleet.silos, ...fleet.edges]) killHard(one.pid);
  fleet.child.kill("SIGKILL");
  for (const pid of await findPostgres(dataDir)) killHard(pid);
  await fleet.exited;
  fleet = await startDev(dataDir, portBase, "--seed", "none");
  expect(await call("organization.GetOrganizationBySlug", { slug: "globex" })).toMatchObject({
    organization: { slug: "globex" },
  });
}, 90_000);
