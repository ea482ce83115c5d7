import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { cellway, createFleetOperator, type DevFleet, readFleetFile, startDev } from "./command-line.js";
import { queryOnce } from "./lone-silo.js";
import { until } from "./organizations.js";
import { findPortBase, killHard } from "./processes.js";

let dataDir: string;
let fleet: DevFleet;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-usage-"));
  fleet = await startDev(dataDir, await findPortBase(), "--seed", "none");
}, 90_000);

afterAll(async () => {
  fleet?.child.kill("SIGTERM");
  await fleet?.exited;
  await rm(dataDir, { recursive: true, force: true });
});

const readSilo = async (name: string) => {
  const silo = (await readFleetFile(dataDir)).silos.find((candidate) => candidate.name === name);
  if (silo === undefined) throw new Error(`there is no silo ${name}`);
  return silo;
};

interface Row {
  readonly pid: number;
  readonly is_stopped: boolean;
}

const processesOf = async (silo: string) =>
  queryOnce<Row & Record<string, unknown>>(
    (await readSilo(silo)).databaseUrl,
    "select pid, stopped_at is not null as is_stopped from cell.process order by started_at",
  );

test("a use survives the hard kill of the process that counted it, from seconds after the call at the latest", async () => {
  const operator = await createFleetOperator(dataDir);
  const { pid, databaseUrl } = await readSilo("us1");
  const client = operator.runtime.client(OrganizationService);
  await client.confirmOrganizationCreation({ cellName: "us1", organizationId: "7" }).catch(() => undefined);
  const calledAtMs = performance.now();
  await until("it is written down", async () => {
    return (await queryOnce(databaseUrl, "select from cell.deprecated_use")).length === 1;
  });
  expect(performance.now() - calledAtMs).toBeLessThan(3_000);
  killHard(pid);
  await until("us1 is back", async () => (await processesOf("us1")).length === 2);
  await operator.close();

  const removable = JSON.parse((await cellway("contracts", "removable", "--json", "--data-dir", dataDir)).stdout);
  expect(removable.failures).toEqual([]);
  expect(removable.kept).toContainEqual(
    expect.objectContaining({
      subject: "organization.ConfirmOrganizationCreation",
      reasons: expect.arrayContaining([
        expect.objectContaining({ silo: "us1", why: "USED", users: [expect.objectContaining({ caller: "control" })] }),
      ]),
    }),
  );
  // It said no goodbye: for a minute it may be there still.
  expect(await processesOf("us1")).toMatchObject([{ pid, is_stopped: false }, { is_stopped: false }]);
  const versions = JSON.parse((await cellway("fleet", "versions", "--json", "--data-dir", dataDir)).stdout);
  expect(
    versions.silos.map(({ silo, processes }: { silo: string; processes: object[] }) => `${silo} ${processes.length}`),
  ).toEqual(["control 1", "de1 1", "us1 2", "us2 1"]);
}, 90_000);
