import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { compareDirectory, eventually, findUnfinished } from "../agreement.js";
import { Load } from "../load.js";
import { type ClientOf, runScenario } from "../scenario.js";
import { CELLS, SILOS, type SkewFleet, startSkewFleet } from "./skew-fleet.js";
import { buildPreviousRelease, buildVariant, removeTrees, THIS_TREE, type Tree } from "./trees.js";

/** How long the load goes on in each direction; a rolling restart takes part of it. Default 60 s. */
const LOAD_MS = Number(process.env["CELLWAY_SKEW_LOAD_MS"] ?? 60_000);

/** A release that was never checked: its slug and name have changed places on the wire. */
const BROKEN = `--- a/proto/cellway/organization/v1/organization.proto
+++ b/proto/cellway/organization/v1/organization.proto
@@ -587,7 +587,7 @@ message CreateOrganizationRequest {
   ];
   // Reserved for it in the directory. Lower-case letters, digits and single dashes, not digits only: that would be an
   // id.
-  string slug = 3 [(buf.validate.field) = {
+  string slug = 4 [(buf.validate.field) = {
     string: {
       min_len: 1
       max_len: 50
@@ -600,7 +600,7 @@ message CreateOrganizationRequest {
     }
   }];
   // For people.
-  string name = 4 [(buf.validate.field).string = {
+  string name = 3 [(buf.validate.field).string = {
     min_len: 1
     max_len: 100
   }];
`;

const QUIET_TIMEOUT_MS = 45_000;

let previous: Tree;
let fleet: SkewFleet;
let runs = 0;

beforeAll(async () => {
  previous = await buildPreviousRelease();
  fleet = await startSkewFleet(previous, { processes: 2 });
}, 400_000);

afterAll(async () => {
  await fleet?.stop();
  await removeTrees();
}, 60_000);

const clientOf: ClientOf = (service) => fleet.operator.runtime.client(service);

/** Brings control to one tree and cells to another. */
async function mix(control: Tree, cells: readonly [us1: Tree, us2: Tree, de1: Tree]): Promise<void> {
  await fleet.deploy(control, ["control"]);
  for (const [index, cell] of CELLS.entries()) await fleet.deploy(cells[index] ?? control, [cell]);
}

async function scenario(): Promise<void> {
  runs += 1;
  await runScenario(clientOf, `skew${runs}`);
}

/** Puts a load on the fleet while it is deployed anew, and holds the fleet to what it promises. */
async function deployUnderLoad(tree: Tree): Promise<void> {
  runs += 1;
  const load = new Load({ clientOf, query: fleet.query, cells: CELLS, tag: `skew${runs}` });
  await load.start();
  const endsAt = performance.now() + LOAD_MS;
  await fleet.deploy(tree, SILOS);
  await delay(Math.max(0, endsAt - performance.now()));
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.calls).toBeGreaterThan(LOAD_MS / 200);
  await eventually("nothing waits", QUIET_TIMEOUT_MS, () => findUnfinished(fleet.query, CELLS));
  const { compared, differences } = await compareDirectory(fleet.query, CELLS);
  expect(differences).toEqual([]);
  expect(Math.min(...Object.values(compared))).toBeGreaterThan(5);
}

test("one cell of three is new beside the previous release: no call fails", async () => {
  await mix(previous, [previous, THIS_TREE, previous]);
  await scenario();
}, 240_000);

test("control is of the previous release and all cells are new: no call fails", async () => {
  await mix(previous, [THIS_TREE, THIS_TREE, THIS_TREE]);
  await scenario();
}, 240_000);

test("control is new and all cells are of the previous release: no call fails", async () => {
  await mix(THIS_TREE, [previous, previous, previous]);
  await scenario();
}, 240_000);

test(
  "from the previous release to this one and back, silo by silo under load: no call fails, nothing is lost",
  async () => {
    await fleet.deploy(previous, SILOS);
    await deployUnderLoad(THIS_TREE);
    await deployUnderLoad(previous);
  },
  4 * LOAD_MS + 300_000,
);

test("a cell whose contract was broken fails the scenario", async () => {
  const broken = await buildVariant({ name: "broken", patches: [BROKEN] });
  await mix(THIS_TREE, [broken, THIS_TREE, THIS_TREE]);
  await expect(scenario()).rejects.toThrow("slug");
  await fleet.deploy(THIS_TREE, SILOS);
  await scenario();
}, 400_000);
