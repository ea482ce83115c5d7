import { startTestPostgres, TEST_POSTGRES_ENV } from "./postgres.js";
import { createTemporaryFolder } from "./temporary-folder.js";

interface TestGlobals {
  cellwayTestFolder?: string;
  cellwayTestPostgres?: Awaited<ReturnType<typeof startTestPostgres>>;
}

/**
 * Starts one PostgreSQL for the run; every test file makes its own databases in it. What tests and the processes that they
 * start call temporary lies in one folder of the run.
 */
// oxlint-disable-next-line import/no-default-export -- jest asks for it
export default async function setup(): Promise<void> {
  const globals = globalThis as TestGlobals;
  globals.cellwayTestFolder = createTemporaryFolder();
  process.env["TMPDIR"] = globals.cellwayTestFolder;
  globals.cellwayTestPostgres = await startTestPostgres();
  process.env[TEST_POSTGRES_ENV] = globals.cellwayTestPostgres.postgres.url("postgres");
}
