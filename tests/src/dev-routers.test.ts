import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { cellway, readFleetFile } from "./command-line.js";
import { until } from "./organizations.js";
import { findPortBase, findPostgres, killHard } from "./processes.js";
import { readCurlCommands } from "./readme-commands.js";
import { ask } from "./router-stage.js";

const CELLWAY = fileURLToPath(new URL("../../cli/bin/cellway.js", import.meta.url));

let dataDir: string;
let portBase: number;
let child: ReturnType<typeof spawn>;
let exited: Promise<unknown[]>;
let printed = "";

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-dev-"));
  portBase = await findPortBase();
  const args = [CELLWAY, "dev", "--data", dataDir, "--port-base", String(portBase)];
  child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  exited = once(child, "exit");
  child.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const isUp = async () => {
    if (child.exitCode !== null) throw new Error(`cellway dev ended: ${printed}`);
    return printed.includes("Ctrl-C stops everything");
  };
  await until("the fleet serves", isUp, 90_000);
}, 100_000);
afterAll(async () => {
  child.kill("SIGTERM");
  await exited;
  await rm(dataDir, { recursive: true, force: true });
});

/** Runs a command as it was printed; undefined where there is no curl. */
async function runPrinted(command: string): Promise<unknown> {
  try {
    return JSON.parse((await promisify(execFile)("sh", ["-c", `${command} --silent --show-error`])).stdout);
  } catch (error) {
    if ((error as { code?: unknown }).code === 127) return undefined;
    throw error;
  }
}

test("the commands with curl that are printed work: by the locality's router and by control, with the same answer", async () => {
  const commands = printed.split("\n").flatMap((line) => (line.startsWith("    curl ") ? [line.trim()] : []));
  expect(commands.map((command) => new URL(command.split(" ").at(-1) ?? "").host)).toEqual([
    `us.localhost:${portBase + 100}`,
    `localhost:${portBase}`,
    `us.localhost:${portBase + 102}`,
  ]);
  const [byRouter, byGateway, byKey] = await Promise.all(commands.map(runPrinted));
  if (byRouter === undefined) return;
  expect(byRouter).toMatchObject({ slug: "acme", status: "ACTIVE" });
  expect(byGateway).toEqual(byRouter);
  expect(byKey).toEqual({ id: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

test("the commands with curl in the README are answered as it says, but for ids, keys and ports", async () => {
  const dsn = /http:\/\/([0-9a-f]{32})@us\.localhost:\d+\/(\d+)/.exec(printed);
  const here = (text: string) =>
    text
      .replace(/(localhost):8(\d{3})\b/g, (_, host: string, offset: string) => `${host}:${portBase + Number(offset)}`)
      .replace(/[0-9a-f]{32}(?=@)/, dsn?.[1] ?? "")
      .replace(/(?<=\/api\/)\d{10,}(?=\/)/, dsn?.[2] ?? "")
      .replace(".cellway/", `${dataDir}/`);
  const commands = await readCurlCommands();
  expect(commands.length).toBeGreaterThan(4);
  for (const { command, fields } of commands) {
    const answer = (await runPrinted(here(command))) as Record<string, unknown> | undefined;
    if (answer === undefined) return;
    for (const [name, value] of fields) {
      const isMadeUp = /^(?:\d{10,}|[0-9a-f]{32})$/.test(value);
      expect([command, name, isMadeUp ? String(answer[name]).length : String(answer[name])]).toEqual([
        command,
        name,
        isMadeUp ? value.length : here(value),
      ]);
    }
  }
});

test("the router of both localities sends each organization to its cell, and the wrong host says the right URL", async () => {
  const router = { address: `http://127.0.0.1:${portBase + 100}` };
  const [name = "", value = ""] = (await readFile(join(dataDir, "keys", "grace.header"), "utf8")).trim().split(": ");
  const headers = { [name]: value };
  const path = "/api/0/organizations/globex/";
  const [host, other] = [`de.localhost:${portBase + 100}`, `us.localhost:${portBase + 100}`];
  expect(JSON.parse((await ask(router, path, { host, headers })).text)).toMatchObject({ slug: "globex" });
  const refused = await ask(router, path, { host: other, headers });
  expect(refused).toMatchObject({ status: 421, code: "WRONG_LOCALITY" });
  expect(JSON.parse(refused.text)).toMatchObject({ url: `http://${host}${path}` });
});

test("a URL is explained by control and by whatever serves it here, without saying where that is", async () => {
  const path = "/api/0/organizations/acme/";
  for (const [origin, askedAt] of [
    [`http://us.localhost:${portBase + 100}`, `http://127.0.0.1:${portBase + 100}`],
    [`http://localhost:${portBase}`, `http://127.0.0.1:${portBase}`],
  ]) {
    const { code, stdout } = await cellway("explain", origin + path, "--data-dir", dataDir, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      control: { cell: "us1", locality: "us" },
      router: { askedAt, explanation: { rule: "organization slug acme", cell: "us1" } },
      differences: [],
    });
  }
});

test("a router that dies is started again", async () => {
  const pidOf = async () => {
    const { edges } = await readFleetFile(dataDir);
    return edges[0]?.pid ?? 0;
  };
  const before = await pidOf();
  killHard(before);
  await until("it serves again", async () => printed.includes("router serves again"), 30_000);
  expect(await pidOf()).not.toBe(before);
});

test("SIGINT stops everything: exit code 0, and no process, port or file of it is left", async () => {
  const { silos, edges } = await readFleetFile(dataDir);
  child.kill("SIGINT");
  expect(await exited).toEqual([0, null]);
  for (const { pid } of [...silos, ...edges]) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  expect(await findPostgres(dataDir)).toEqual([]);
  for (const offset of [0, 10, 100, 101, 102, 103]) {
    await expect(fetch(`http://127.0.0.1:${portBase + offset}/healthz`)).rejects.toThrow("fetch failed");
  }
  await expect(readFile(join(dataDir, "dev.json"))).rejects.toThrow(/ENOENT/);
});
