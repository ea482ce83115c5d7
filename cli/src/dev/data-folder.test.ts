import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { identifyProcess } from "../process-identity.js";
import { MARKER_FILE, openDataFolder } from "./data-folder.js";
import { openKeyFiles } from "./key-files.js";

let base: string;
let dir: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "cellway-cli-"));
  dir = join(base, "data");
});
afterEach(() => rmSync(base, { recursive: true }));

test("a folder that is absent or empty becomes ours", () => {
  const folder = openDataFolder(dir, { isFresh: false });
  expect({ isNew: folder.isNew, wasKilled: folder.wasKilled }).toEqual({ isNew: true, wasKilled: false });
  expect(existsSync(join(dir, MARKER_FILE))).toBe(true);
  folder.release();
});

test("a second fleet on the folder is refused, with the first one's process and what to do", () => {
  const folder = openDataFolder(dir, { isFresh: false });
  expect(() => openDataFolder(dir, { isFresh: true })).toThrow(
    `A fleet already runs on ${dir} (process ${process.pid}); stop it first, or choose another folder with --data DIR.`,
  );
  folder.release();
  openDataFolder(dir, { isFresh: false }).release();
});

test("a lock whose process has gone is taken over, and so is one whose number has another process now", () => {
  openDataFolder(dir, { isFresh: false }).release();
  for (const holder of [
    { pid: 2 ** 22 + 1, startedAt: "" },
    { pid: process.pid, startedAt: "another boot:1" },
  ]) {
    writeFileSync(join(dir, "dev.lock"), JSON.stringify(holder));
    const folder = openDataFolder(dir, { isFresh: false });
    expect(folder.wasKilled).toBe(true);
    expect(JSON.parse(readFileSync(join(dir, "dev.lock"), "utf8"))).toEqual(identifyProcess(process.pid));
    folder.release();
  }
});

test("a lock that a full disk left empty does not lock for ever", () => {
  openDataFolder(dir, { isFresh: false }).release();
  writeFileSync(join(dir, "dev.lock"), "");
  openDataFolder(dir, { isFresh: false }).release();
});

test("fresh deletes what the folder holds, and only where the marker says that it is ours", () => {
  openDataFolder(dir, { isFresh: false }).release();
  mkdirSync(join(dir, "postgres"));
  writeFileSync(join(dir, "postgres", "table"), "rows");
  const folder = openDataFolder(dir, { isFresh: true });
  expect(folder.isNew).toBe(true);
  expect(existsSync(join(dir, "postgres"))).toBe(false);
  folder.release();

  const foreign = join(base, "home");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "thesis.txt"), "years of work");
  for (const isFresh of [true, false]) {
    expect(() => openDataFolder(foreign, { isFresh })).toThrow(`${foreign} holds files that are not of a fleet`);
  }
  expect(readFileSync(join(foreign, "thesis.txt"), "utf8")).toBe("years of work");
  expect(existsSync(join(foreign, MARKER_FILE))).toBe(false);
});

test("keys are made once, for their owner only, and a cell's file holds nothing of the master", () => {
  const folder = openDataFolder(dir, { isFresh: false });
  const first = openKeyFiles(folder.keysDir, ["us1"]);
  const master = readFileSync(first.masterFile, "utf8");
  expect(readFileSync(openKeyFiles(folder.keysDir, ["us1"]).masterFile, "utf8")).toBe(master);
  expect(readFileSync(first.fileOf({ kind: "cell", name: "us1" }), "utf8")).not.toContain(master.split(":")[1]?.trim());
  for (const file of [first.masterFile, first.fileOf({ kind: "cell", name: "us1" })])
    expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(folder.keysDir).mode & 0o777).toBe(0o700);
  folder.release();
});

test("a log above 16 MiB starts anew and the old one is kept", () => {
  const folder = openDataFolder(dir, { isFresh: false });
  const path = folder.logFile("us1");
  writeFileSync(path, Buffer.alloc(16 * 1024 * 1024 + 1));
  expect(folder.logFile("us1")).toBe(path);
  expect([existsSync(path), existsSync(`${path}.1`)]).toEqual([false, true]);
  folder.release();
});
