import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createTemporaryFolder } from "./temporary-folder.js";

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "cellway-parent-"));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test("the folder of a run is where there is room, and every user may put something there", () => {
  const folder = createTemporaryFolder(parent, 1);
  expect(dirname(folder)).toBe(parent);
  expect(statSync(folder).mode & 0o7777).toBe(0o1777);
});

test("without such a place, or without room in it, it is in the system's folder", () => {
  for (const folder of [createTemporaryFolder(join(parent, "nowhere")), createTemporaryFolder(parent, 2 ** 60)]) {
    expect(dirname(folder)).toBe(tmpdir());
    rmSync(folder, { recursive: true });
  }
});

test("what a killed run left is removed, what a run has that goes on is not", () => {
  const { pid } = spawnSync("true");
  const left = join(parent, `cellway-run-${pid}-abcdef`);
  mkdirSync(join(left, "database"), { recursive: true });
  const going = createTemporaryFolder(parent, 1);
  createTemporaryFolder(parent, 1);
  expect([left, going].map(existsSync)).toEqual([false, true]);
});
