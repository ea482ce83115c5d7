import { listMarkedEntities, localModeOfEntity } from "@cellway/database";
import { createTaskRunner } from "@cellway/host";
import { servicePolicyOf } from "@cellway/rpc";
import { createControlSilo, SiloLimitError, withSiloContext } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type Fleet, type FleetOptions, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";

const control = MODULES.filter((module) => module.localMode === "CONTROL");
const cell = MODULES.filter((module) => module.localMode === "CELL");
const entitiesOf = (modules: typeof MODULES) => modules.flatMap((module) => [...module.entities]);

describe("everything is marked for a silo", () => {
  test.each(MODULES.map((module) => [module.name, module] as const))(
    "all entities, tasks and routes of %s are of its side",
    (_name, module) => {
      for (const entity of module.entities)
        expect([entity.name, localModeOfEntity(entity)]).toEqual([entity.name, module.localMode]);
      for (const task of module.tasks) expect([task.name, task.localMode]).toEqual([task.name, module.localMode]);
      for (const route of module.routes) expect([route.path, route.localMode]).toEqual([route.path, module.localMode]);
    },
  );

  test("no entity is declared that no module lists", () => {
    expect(
      listMarkedEntities()
        .map((entity) => entity.name)
        .sort(),
    ).toEqual(
      entitiesOf(MODULES)
        .map((entity) => entity.name)
        .sort(),
    );
  });
});

describe.each([["monolith"], ["siloed"]] as const)("in %s mode", (mode) => {
  let fleet: Fleet;
  beforeAll(async () => {
    const options: FleetOptions = { modules: MODULES, mode };
    fleet = await startFleet(options);
  });
  afterAll(() => fleet.stop());

  test("every control entity used in cell code throws SiloLimitError", async () => {
    const database = fleet.cell("us1").database("CELL");
    for (const entity of entitiesOf(control)) {
      expect(() => database.getRepository(entity).createQueryBuilder("e")).toThrow(SiloLimitError);
      await expect(database.transaction((manager) => manager.find(entity))).rejects.toThrow(SiloLimitError);
    }
  });

  test("every cell entity used in control code throws SiloLimitError", async () => {
    const database = fleet.control.database("CONTROL");
    for (const entity of entitiesOf(cell)) {
      expect(() => database.getRepository(entity).createQueryBuilder("e")).toThrow(SiloLimitError);
      await expect(database.transaction((manager) => manager.find(entity))).rejects.toThrow(SiloLimitError);
    }
  });

  test("code that speaks for a cell cannot use control's database, not even with SQL", async () => {
    const database = fleet.control.database("CONTROL");
    const asCell = { localMode: "CELL", siloName: "us1" } as const;
    await expect((async () => withSiloContext(asCell, () => database.query("select 1")))()).rejects.toThrow(
      SiloLimitError,
    );
  });

  test("a silo serves the contracts of its side and refuses the others", () => {
    for (const silo of fleet.silos.values()) {
      for (const service of silo.rpc.services) {
        expect(
          [silo.silo.mode, "MONOLITH"].includes(servicePolicyOf(service).localMode) || silo.silo.mode === "MONOLITH",
        ).toBe(true);
      }
    }
  });
});

test("a task of a cell refuses to register in control", () => {
  const task = cell.flatMap((module) => [...module.tasks])[0];
  const runner = createTaskRunner({
    silo: createControlSilo(),
    logger: createLogger({ silo: "control", level: "silent" }),
    metrics: createMetrics({ silo: "control" }),
  });
  expect(task).toBeDefined();
  expect(() => task && runner.register(task, {} as never)).toThrow(SiloLimitError);
});
