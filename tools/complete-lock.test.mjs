import { expect, test } from "@jest/globals";
import { findMissing } from "./complete-lock.mjs";

const LOCK = {
  packages: {
    "": { optionalDependencies: { "@a/b-linux-x64": "1.0.0" } },
    "node_modules/@a/b-linux-x64": { version: "1.0.0" },
    "node_modules/a": {
      dev: true,
      optionalDependencies: {
        "@a/b-linux-x64": "1.0.0",
        "@a/b-darwin-arm64": "^1.2.3",
        "@a/b-linux-x64-musl": "1.2.3",
      },
    },
    "node_modules/c/node_modules/d": { optionalDependencies: { "@d/win32-ia32": "2.0.0" } },
    "node_modules/c/node_modules/@d/win32-ia32": { version: "2.0.0" },
  },
};

test("an optional platform package that the lock file lacks is found, with the platforms of its name", () => {
  expect([...findMissing(LOCK)]).toEqual([
    ["node_modules/@a/b-darwin-arm64", { version: "1.2.3", cpu: ["arm64"], os: ["darwin"], dev: true, optional: true }],
    [
      "node_modules/@a/b-linux-x64-musl",
      { version: "1.2.3", cpu: ["x64"], os: ["linux"], libc: ["musl"], dev: true, optional: true },
    ],
  ]);
});

test("a name that says no platform is refused: its entry would be installed everywhere", () => {
  const lock = { packages: { "": { optionalDependencies: { fsevents: "2.0.0" } } } };
  expect(() => findMissing(lock)).toThrow('"fsevents" does not say its platform');
});
