import { startTestPostgres, TEST_POSTGRES_ENV } from "./postgres.js";

interface TestGlobals {
  cellwayTestPostgres?: Awaited<ReturnType<typeof startTestPostgres>>;
}

/** Starts one PostgreSQL for the run; every test file makes its own databases in it. */
// oxlint-disable-next-line import/no-default-export -- jest asks for it
export default async function setup(): Promise<void> {
  const started = await startTestPostgres();
  (globalThis as TestGlobals).cellwayTestPostgres = started;
  process.env[TEST_POSTGRES_ENV] = started.postgres.url("postgres");
}
