import { rm } from "node:fs/promises";

interface TestGlobals {
  cellwayTestFolder?: string;
  cellwayTestPostgres?: { stop(): Promise<void> };
}

/** Stops what the set-up started, and removes its folder. */
// oxlint-disable-next-line import/no-default-export -- jest asks for it
export default async function teardown(): Promise<void> {
  const { cellwayTestFolder, cellwayTestPostgres } = globalThis as TestGlobals;
  await cellwayTestPostgres?.stop();
  if (cellwayTestFolder !== undefined) await rm(cellwayTestFolder, { recursive: true, force: true });
}
