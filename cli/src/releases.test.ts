import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { addRelease, imageOf, ReleasesError, readReleases, removeRelease } from "./releases.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cellway-releases-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function add(version: string): void {
  addRelease(root, { version, commit: COMMIT }, Buffer.from(`the contracts of ${version}`));
}

test("a release that is added is listed with its commit, the oldest first, until it is removed", () => {
  expect(readReleases(root)).toEqual([]);
  for (const version of ["0.10.0", "0.9.0", "0.9.1"]) add(version);
  expect(readReleases(root).map(({ version }) => version)).toEqual(["0.9.0", "0.9.1", "0.10.0"]);
  expect(readReleases(root)[0]).toMatchObject({ version: "0.9.0", commit: COMMIT });
  expect(readFileSync(join(root, imageOf("0.9.0")), "utf8")).toBe("the contracts of 0.9.0");
  removeRelease(root, "0.9.0");
  removeRelease(root, "0.10.0");
  expect(readReleases(root).map(({ version }) => version)).toEqual(["0.9.1"]);
  removeRelease(root, "0.9.1");
  expect(readReleases(root)).toEqual([]);
});

test("a release that is removed takes along what it used of its databases", () => {
  add("0.1.0");
  const schema = join(root, "proto/releases/0.1.0.schema.json");
  writeFileSync(schema, "{}");
  removeRelease(root, "0.1.0");
  expect(existsSync(schema)).toBe(false);
});

test("a version is added once, and only what was added is removed", () => {
  add("0.1.0");
  expect(() => add("0.1.0")).toThrow(/0\.1\.0 is in .*already.*raise "version"/);
  expect(() => removeRelease(root, "0.2.0")).toThrow(/0\.2\.0 is not in .*which has 0\.1\.0/);
});

test("a version or a commit that cannot be one is refused, and nothing is written", () => {
  expect(() => add("../0.1.0")).toThrow(ReleasesError);
  expect(() => addRelease(root, { version: "0.1.0", commit: "HEAD" }, Buffer.from("image"))).toThrow(/a full hash/);
  expect(readReleases(root)).toEqual([]);
});

test("an image that is missing, changed or not listed is an error that names the file and the remedy", () => {
  add("0.1.0");
  const image = join(root, imageOf("0.1.0"));
  appendFileSync(image, "x");
  expect(() => readReleases(root)).toThrow(/0\.1\.0\.binpb is not the image that was cut.*take it from git/);
  rmSync(image);
  expect(() => readReleases(root)).toThrow(/0\.1\.0\.binpb is missing.*cellway release cut --commit 0123/);
  writeFileSync(join(root, "proto/releases/releases.json"), "{}");
  expect(readReleases(root)).toEqual([]);
  writeFileSync(join(root, imageOf("0.3.0")), "image");
  expect(() => readReleases(root)).toThrow(/0\.3\.0\.binpb is not listed/);
});

test.each(["", "[]", "null", '{"0.1.0":null}', '{"0.1.0":{"commit":"main"}}'])(
  "a list that says %j is refused",
  (text) => {
    add("0.1.0");
    writeFileSync(join(root, "proto/releases/releases.json"), text);
    expect(() => readReleases(root)).toThrow(ReleasesError);
  },
);
