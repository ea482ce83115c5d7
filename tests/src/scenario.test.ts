import { type FleetOptions, startFleet } from "@cellway/testing";
import { expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { runScenario } from "./scenario.js";

const WAYS: readonly [string, Omit<FleetOptions, "modules">][] = [
  ["in a monolith", { mode: "monolith" }],
  ["between silos over the in-memory network", { network: "memory" }],
  ["between silos over sockets", { network: "sockets" }],
  ["between silos with every body as JSON", { network: "memory", useBinaryFormat: false }],
];

test.each(WAYS)("the scenario gives the same answers %s", async (_way, options) => {
  const fleet = await startFleet({ ...options, modules: MODULES });
  try {
    await runScenario((service) => fleet.client(service), "one");
    const bugs = [...fleet.silos.values()].flatMap((silo) =>
      silo.log.filter((line) => line.includes('"level":"error"')),
    );
    expect(bugs).toEqual([]);
  } finally {
    await fleet.stop();
  }
});
