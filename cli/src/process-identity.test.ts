import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { identifyProcess, isAlive, isStillRunning } from "./process-identity.js";

test("this process runs, and is told apart from another one with its number", () => {
  const identity = identifyProcess(process.pid);
  expect(isStillRunning(identity)).toBe(true);
  expect(isStillRunning({ ...identity, startedAt: "another boot:1" })).toBe(false);
  expect(isAlive(2 ** 22 + 1)).toBe(false);
});

const onLinux = process.platform === "linux" ? test : test.skip;

onLinux("a process that has ended and was never collected does not run", async () => {
  // A shell that becomes `sleep` never collects the child it started before.
  const parent = spawn("sh", ["-c", "sleep 0.05 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] });
  const [printed] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(printed.toString());
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) await delay(10);
  expect(isAlive(pid)).toBe(false);
  parent.kill("SIGKILL");
});
