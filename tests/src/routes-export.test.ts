import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatKeys } from "@cellway/rpc";
import { formatTopology } from "@cellway/silo";
import { type Fleet, findFreePorts, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { isMapToken } from "cellway/dist/haproxy/route-maps.js";
import { RuntimeSocket } from "cellway/dist/haproxy/runtime-socket.js";
import { runProgram } from "cellway/dist/program.js";
import { createTestContext } from "cellway/dist/test-context.js";
import { HaproxySocket } from "./haproxy-socket.js";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { RouteWriter } from "./route-writer.js";

let fleet: Fleet;
let writer: RouteWriter;
let folder: string;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, network: "sockets" });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});
beforeEach(async () => {
  await writer.clear();
  folder = await mkdtemp(join(tmpdir(), "cellway-export-"));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `cellway routes export`; it ends by itself, or when it is told to. */
function startExport(...args: string[]) {
  const ctx = createTestContext({
    env: {
      CELLWAY_TOPOLOGY: JSON.stringify(formatTopology(fleet.topology)),
      CELLWAY_RPC_KEYS: formatKeys([fleet.masterKey]),
    },
    cwd: folder,
  });
  const exited = runProgram(["routes", "export", ...args], ctx);
  const stop = async () => {
    ctx.send("SIGTERM");
    return exited;
  };
  cleanups.push(stop);
  return { ...ctx.printed, exited, stop };
}

const readLines = async (name: string) => (await readFile(join(folder, name), "utf8")).trimEnd().split("\n");

describe("an export", () => {
  test("for HAProxy has a map of slugs, aliases and ids, one of project keys, and backends, sorted, with a header", async () => {
    const acme = await writer.insert("acme", "us1");
    const berlin = await writer.insert("berlin", "de1");
    await writer.addAlias(acme, "old");
    await writer.addKey(berlin, "b".repeat(32));
    const run = startExport("--format", "haproxy", "--out", ".", "--server", "us1=10.0.0.1:8000");
    expect(await run.exited).toBe(0);
    const [head, ...lines] = await readLines("organizations.map");
    expect(head).toMatch(/^# organizations\.map: 5 keys and their cells, as of 2\S+Z\. Written by: cellway/);
    expect(lines).toEqual([`${acme} us1`, `${berlin} de1`, "acme us1", "berlin de1", "old us1"]);
    expect((await readLines("project-keys.map")).slice(1)).toEqual([`${"b".repeat(32)} de1`]);
    const backends = (await readLines("backends.cfg")).join("\n");
    expect(backends).toContain("backend cell_us1\n  server us1 10.0.0.1:8000 check");
    expect(backends).toContain("# cell de1 has no server here: name it with --server de1=host:port");
    expect(backends).toContain("# cell us2 has no server here");
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("as JSON goes to standard output, of one locality alone", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.insert("berlin", "de1");
    const run = startExport("--format", "json", "--locality", "us");
    expect(await run.exited).toBe(0);
    expect(JSON.parse(run.out.join(""))).toMatchObject({
      organizations: { acme: "us1", [id]: "us1" },
      projectKeys: {},
    });
    expect(run.out.join("")).not.toContain("berlin");
  });

  test.each([
    [["--format", "haproxy"], "--out"],
    [["--format", "json", "--socket", "/x", "--out", "."], "--socket needs --follow"],
    [["--format", "json", "--follow"], "--follow needs --out"],
    [["--format", "haproxy", "--out", ".", "--server", "us1=a b"], "--server us1=a b: must be"],
  ])("with %j is refused, and says why", async (args, why) => {
    const run = startExport(...args);
    expect(await run.exited).toBe(2);
    expect(run.err.join("")).toContain(why);
  });
});

describe("what could be another command", () => {
  test("is no key and no value", () => {
    for (const text of [
      "",
      "a b",
      "a;b",
      "a\nb",
      "a\rb",
      "#1",
      "<<",
      "a\\",
      "-x",
      "a\u0000",
      "ä",
      "a".repeat(200),
      "a,b",
    ])
      expect({ text, isToken: isMapToken(text) }).toEqual({ text, isToken: false });
    for (const text of ["acme", "a-1", "17", "0123456789abcdef0123456789abcdef"]) expect(isMapToken(text)).toBe(true);
  });

  test("is never sent", async () => {
    const haproxy = await startSocket();
    const socket = await RuntimeSocket.open(haproxy.path);
    cleanups.push(async () => socket.close());
    for (const text of ["a;b", "a\nb", "add map #0 <<", "a\\"])
      await expect(socket.ask(text)).rejects.toThrow("one command");
    expect(haproxy.commands).toEqual(["prompt"]);
  });
});

async function startSocket(): Promise<HaproxySocket> {
  const haproxy = new HaproxySocket(join(folder, "haproxy.sock"));
  for (const name of ["organizations", "project-keys"])
    haproxy.maps.push({ path: `/etc/haproxy/${name}.map`, entries: [] });
  await haproxy.start();
  cleanups.push(() => haproxy.stop());
  return haproxy;
}

function follow(...args: string[]) {
  return startExport("--format", "haproxy", "--out", ".", "--follow", "--socket", "haproxy.sock", ...args);
}

describe("what follows HAProxy's socket", () => {
  const holds = (haproxy: HaproxySocket, wanted: Record<string, string>, id = 0) =>
    until(`HAProxy holds ${JSON.stringify(wanted)}`, () => {
      const held = haproxy.read(id);
      return (
        held.size === Object.keys(wanted).length &&
        Object.entries(wanted).every(([key, cell]) => held.get(key) === cell)
      );
    });

  test("brings creations, renames, moves and deletes, each by one command", async () => {
    const id = await writer.insert("acme", "us1");
    const haproxy = await startSocket();
    follow();
    await holds(haproxy, { acme: "us1", [id]: "us1" });
    await writer.addKey(id, "a".repeat(32));
    await holds(haproxy, { ["a".repeat(32)]: "us1" }, 1);
    haproxy.commands.length = 0;
    await writer.move(id, "us2");
    await holds(haproxy, { acme: "us2", [id]: "us2" });
    await holds(haproxy, { ["a".repeat(32)]: "us2" }, 1);
    expect(haproxy.commands.filter((command) => command.startsWith("set map"))).toHaveLength(3);
    await writer.renameKeeping(id, "apex");
    await holds(haproxy, { acme: "us2", apex: "us2", [id]: "us2" });
    await writer.remove(id);
    await holds(haproxy, {});
    await holds(haproxy, {}, 1);
  });

  test("puts right what HAProxy holds: what is wrong, missing, too much, or there twice", async () => {
    const id = await writer.insert("acme", "us1");
    const haproxy = await startSocket();
    haproxy.maps[0]?.entries.push(["acme", "us2"], ["gone", "us1"], [id, "us1"], [id, "us2"]);
    follow();
    await until("it is put right", () => haproxy.maps[0]?.entries.every(([, cell]) => cell === "us1") === true);
    await holds(haproxy, { acme: "us1", [id]: "us1" });
  });

  test("goes on after the connection broke in the middle, and after HAProxy was away, and says so once", async () => {
    for (let i = 0; i < 20; i += 1) await writer.insert(`org-${i}`, "us1");
    const haproxy = await startSocket();
    haproxy.breakAfter = 15;
    const run = follow();
    await until("all is there", () => haproxy.read(0).size === 40);
    // What was sent before the break was not sent again.
    expect(haproxy.maps[0]?.entries).toHaveLength(40);
    await haproxy.stop();
    const late = await writer.insert("late", "us2");
    await until("it is logged", () => run.err.join("").includes("it is tried again"));
    await haproxy.start();
    await until("what was missed is there", () => haproxy.read(0).get(late) === "us2");
    expect(run.err.filter((line) => line.includes("closed the connection"))).toHaveLength(1);
    expect(await run.stop()).toBe(0);
    expect(await readLines("organizations.map")).toContain("late us2");
  });

  test("notices another HAProxy at the socket, which started with an old file", async () => {
    const id = await writer.insert("acme", "us1");
    const haproxy = await startSocket();
    follow();
    await holds(haproxy, { acme: "us1", [id]: "us1" });
    haproxy.pid += 1;
    haproxy.maps.reverse();
    for (const map of haproxy.maps) map.entries = [["acme", "us2"]];
    await holds(haproxy, { acme: "us1", [id]: "us1" }, 1);
    await holds(haproxy, {}, 0);
  });

  test("leaves out a slug that would be another command, and says how many", async () => {
    await writer.insert("x;clear", "us1");
    const id = await writer.insert("acme", "us1");
    const haproxy = await startSocket();
    const run = follow();
    await until("acme is there", () => haproxy.read(0).get("acme") === "us1" && haproxy.read(0).has(id));
    expect(haproxy.commands.filter((command) => command.includes("clear"))).toEqual([]);
    expect(run.err.join("")).toContain('"refused":1');
  });

  test("says what HAProxy lacks when its configuration uses none of the maps", async () => {
    const haproxy = await startSocket();
    haproxy.maps.length = 0;
    const run = follow();
    await until("it is said", () => run.err.join("").includes("uses no map of a file called organizations.map"));
  });
});

const HAPROXY = "haproxy";
const HAS_HAPROXY = spawnSync(HAPROXY, ["-v"]).status === 0;

(HAS_HAPROXY ? describe : describe.skip)("a real HAProxy", () => {
  /** A cell's HTTP: says its name. */
  async function startCell(name: string): Promise<string> {
    const server: Server = createServer((_, res) => void res.end(name));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function startHaproxy(port: number): Promise<ChildProcess> {
    await writeFile(
      join(folder, "haproxy.cfg"),
      `global
  stats socket ${folder}/haproxy.sock level admin mode 600
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend edge
  bind 127.0.0.1:${port}
  http-request set-var(txn.cell) path,field(5,/),map_str(${folder}/organizations.map) if { path_beg /api/0/organizations/ }
  http-request return status 404 unless { var(txn.cell) -m found }
  use_backend cell_%[var(txn.cell)]
`,
    );
    const args = ["-db", "-f", join(folder, "haproxy.cfg"), "-f", join(folder, "backends.cfg")];
    const child = spawn(HAPROXY, args, { stdio: "ignore" });
    cleanups.push(async () => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill("SIGKILL")) await exited;
    });
    return child;
  }

  test("routes by what it was started with, by what it is told, and by what it missed while it was restarted", async () => {
    const id = await writer.insert("acme", "us1");
    const [port = 0] = await findFreePorts(1);
    const servers = ["us1", "us2"].map(async (name) => ["--server", `${name}=${await startCell(name)}`]);
    const args = (await Promise.all(servers)).flat();
    expect(await startExport("--format", "haproxy", "--out", ".", "--locality", "us", ...args).exited).toBe(0);
    const child = await startHaproxy(port);
    const ask = async (organization: string) => {
      const url = `http://127.0.0.1:${port}/api/0/organizations/${organization}/`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      return answer?.status === 200 ? answer.text() : answer?.status;
    };
    await until("HAProxy serves", async () => (await ask("acme")) === "us1");
    expect([await ask(id), await ask("nobody")]).toEqual(["us1", 404]);
    const run = follow("--locality", "us", ...args);
    await writer.insert("globex", "us2");
    await until("a new one is routed", async () => (await ask("globex")) === "us2");
    await writer.move(id, "us2");
    await until("a moved one is routed", async () => (await ask("acme")) === "us2");
    await writer.move(id, "de1");
    await until("one that has left is not routed", async () => (await ask("acme")) === 404);
    child.kill("SIGKILL");
    await writer.move(id, "us1");
    await startHaproxy(port);
    await until("what it missed is routed", async () => (await ask("acme")) === "us1");
    expect(await run.stop()).toBe(0);
  });
});
