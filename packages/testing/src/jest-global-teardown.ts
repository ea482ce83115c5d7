interface TestGlobals {
  cellwayTestPostgres?: { stop(): Promise<void> };
}

/** Stops what the set-up started. */
// oxlint-disable-next-line import/no-default-export -- jest asks for it
export default async function teardown(): Promise<void> {
  await (globalThis as TestGlobals).cellwayTestPostgres?.stop();
}
