import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { followLiveSetting, type LiveFollower } from "./live-setting.js";

let dir: string;
let file: string;
let follower: LiveFollower | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "cellway-cli-"));
  file = join(dir, "keys");
  writeFileSync(file, "one");
});
afterEach(() => {
  follower?.stop();
  rmSync(dir, { recursive: true });
});

function follow(intervalMs: number) {
  const applied: string[] = [];
  const errors: unknown[] = [];
  follower = followLiveSetting(
    { source: file, text: "one", file },
    {
      intervalMs,
      onError: (error) => errors.push(error),
      apply(text) {
        if (text === "bad") throw new Error("not a key");
        applied.push(text);
      },
    },
  );
  return { applied, errors, follower };
}

test("a file that is written or replaced is applied, once for each change", async () => {
  const { applied } = follow(5);
  await delay(30);
  expect(applied).toEqual([]);
  writeFileSync(file, "second");
  while (applied.length < 1) await delay(5);
  writeFileSync(join(dir, "next"), "other!");
  renameSync(join(dir, "next"), file);
  while (applied.length < 2) await delay(5);
  await delay(30);
  expect(applied).toEqual(["second", "other!"]);
});

test("a file that is wrong or gone is reported once and changes nothing; a good one afterwards is applied", async () => {
  const { applied, errors } = follow(5);
  writeFileSync(file, "bad");
  while (errors.length < 1) await delay(5);
  await delay(30);
  rmSync(file);
  while (errors.length < 2) await delay(5);
  await delay(30);
  expect(errors.map((error) => (error as Error).message)).toEqual([
    "not a key",
    expect.stringContaining("can be read (ENOENT)"),
  ]);
  writeFileSync(file, "good");
  while (applied.length < 1) await delay(5);
  expect(applied).toEqual(["good"]);
});

test("reload reads at once, changed or not, as on SIGHUP", () => {
  const { applied, follower: live } = follow(60_000);
  live.reload();
  expect(applied).toEqual(["one"]);
});

test("a setting that was given in place never changes", () => {
  const applied: string[] = [];
  const live = followLiveSetting(
    { source: "env", text: "x", file: undefined },
    { apply: (text) => applied.push(text), onError: () => undefined },
  );
  live.reload();
  live.stop();
  expect(applied).toEqual([]);
});
