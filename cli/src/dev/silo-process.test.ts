import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { isAlive } from "../process-identity.js";
import { waitUntilReady } from "./ready.js";
import { startSiloProcess, stopSiloProcesses } from "./silo-process.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "cellway-cli-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function start(script: string) {
  return startSiloProcess({ args: ["-e", script], env: {}, logFile: join(dir, "silo.log") });
}

const STUBBORN =
  "process.on('SIGTERM', () => console.log('not yet')); process.on('disconnect', () => process.exit(7)); setInterval(() => {}, 1000); console.log('started')";

async function untilLogged(text: string): Promise<void> {
  while (!readFileSync(join(dir, "silo.log"), "utf8").includes(text)) await delay(10);
}

test("the last lines are those of this process, with our log lines made short", async () => {
  writeFileSync(join(dir, "silo.log"), "of an earlier run\n");
  const line = JSON.stringify({
    level: "error",
    silo: "us1",
    err: { message: "no such table" },
    msg: "a call failed on a bug",
  });
  const silo = start(`console.log('plain'); console.error(${JSON.stringify(line)}); process.exit(3)`);
  expect(await silo.ended).toBe("exit code 3");
  expect(silo.tail()).toEqual(["plain", "error: a call failed on a bug (no such table)"]);
  expect(readFileSync(join(dir, "silo.log"), "utf8")).toContain("of an earlier run");
});

test("a process that ignores SIGTERM is ended after the grace", async () => {
  const silo = start(STUBBORN);
  await untilLogged("started");
  const startedAt = performance.now();
  await stopSiloProcesses([silo], 200);
  expect(await silo.ended).toBe("SIGKILL");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
  expect(silo.tail()).toContain("not yet");
});

test("stopping processes that have ended already takes no time", async () => {
  const silo = start("");
  await silo.ended;
  await stopSiloProcesses([silo], 60_000);
});

test("a silo ends when its supervisor is killed", async () => {
  const url = new URL("./silo-process.js", import.meta.url).href;
  const script = `
    import { startSiloProcess } from ${JSON.stringify(url)};
    const silo = startSiloProcess({ args: ["-e", ${JSON.stringify(STUBBORN)}], env: {}, logFile: ${JSON.stringify(join(dir, "silo.log"))} });
    console.log(silo.pid);
    setInterval(() => {}, 1000);
  `;
  const supervisor = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [printed] = (await once(supervisor.stdout, "data")) as [Buffer];
  const pid = Number(printed.toString());
  await untilLogged("started");
  expect(isAlive(pid)).toBe(true);
  supervisor.kill("SIGKILL");
  while (isAlive(pid)) await delay(20);
});

test("waiting for a silo that dies says how it ended and what it said last", async () => {
  const silo = start("console.error('error: the database is not there'); process.exit(1)");
  const wait = waitUntilReady({ name: "us1", httpAddress: "http://127.0.0.1:1" }, silo, {
    deadlineAtMs: Date.now() + 10_000,
  });
  await expect(wait).rejects.toThrow("us1 ended while it started (exit code 1).\n  error: the database is not there");
});

test("waiting ends with the first 200, and at the deadline with what /readyz said", async () => {
  let answers = 0;
  const server = createServer((_, res) => {
    answers += 1;
    res.writeHead(answers < 3 ? 503 : 200).end("migrations are missing");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const httpAddress = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const silo = start(STUBBORN);
  await untilLogged("started");
  await waitUntilReady({ name: "us1", httpAddress }, silo, { deadlineAtMs: Date.now() + 10_000 });
  expect(answers).toBe(3);
  answers = -1_000;
  await expect(waitUntilReady({ name: "us1", httpAddress }, silo, { deadlineAtMs: Date.now() })).rejects.toThrow(
    "readyz: migrations are missing",
  );
  server.close();
  server.closeAllConnections();
  await stopSiloProcesses([silo], 0);
});
