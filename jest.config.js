import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param {string} path */
function fromRoot(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}

const setup = fromRoot("packages/testing/dist/jest-global-setup.js");
const teardown = fromRoot("packages/testing/dist/jest-global-teardown.js");

/**
 * Tests run as what tsc wrote: the code that production runs, and no transformer. `npm test` builds first.
 * @type {import("jest").Config}
 */
export default {
  rootDir: fromRoot("."),
  testEnvironment: "<rootDir>/tools/jest-environment.mjs",
  transform: {},
  testMatch: [
    "<rootDir>/{packages,services,cli,tests}/**/dist/**/*.test.js",
    "<rootDir>/{cli,tests}/dist/**/*.test.js",
    "<rootDir>/tools/*/dist/**/*.test.js",
    "<rootDir>/tools/**/*.test.mjs",
  ],
  testTimeout: 60_000,
  maxWorkers: 2,
  forceExit: false,
  ...(existsSync(setup) && { globalSetup: setup }),
  ...(existsSync(teardown) && { globalTeardown: teardown }),
};
