import base from "./jest.config.js";

/**
 * Releases beside one another, as real processes: `npm run test:skew`. Slow, because it builds the releases first.
 * @type {import("jest").Config}
 */
// oxlint-disable-next-line import/no-default-export -- jest takes its configuration from the default export.
export default {
  ...base,
  testMatch: ["<rootDir>/tests/dist/skew/*.skew.js"],
  maxWorkers: 1,
};
