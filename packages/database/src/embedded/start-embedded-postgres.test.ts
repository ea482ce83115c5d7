import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chown, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually, withClient } from "../test-support.js";
import { resolveNativeDir } from "./binaries.js";
import { EmbeddedPostgresError } from "./errors.js";
import { commandOf } from "./occupancy.js";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./start-embedded-postgres.js";

/** Another node process with an embedded PostgreSQL of its own, to be killed. */
const CHILD = `
  import { startEmbeddedPostgres } from ${JSON.stringify(new URL("./start-embedded-postgres.js", import.meta.url).href)};
  const postgres = await startEmbeddedPostgres({ dataDir: process.argv[1], durable: true });
  console.log(JSON.stringify({ socketDir: postgres.socketDir, url: postgres.url("postgres") }));
  setInterval(() => {}, 1000);
`;

const IS_ROOT = process.getuid?.() === 0;

let dataDir: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-embedded-"));
}, 30_000);

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

function serverPid(directory = dataDir): number {
  return Number(readFileSync(join(directory, "cluster", "postmaster.pid"), "utf8").split("\n")[0]);
}

function parentOf(pid: number): number {
  return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }));
}

function spawnNode(directory: string): ChildProcess {
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

async function startInChild(): Promise<{ child: ChildProcess; pid: number; socketDir: string; url: string }> {
  const child = spawnNode(dataDir);
  const [line] = await once(createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }), "line");
  return { child, pid: serverPid(), ...(JSON.parse(line) as { socketDir: string; url: string }) };
}

async function withServer<T>(work: (postgres: EmbeddedPostgres) => Promise<T>): Promise<T> {
  const postgres = await startEmbeddedPostgres({ dataDir, durable: true });
  try {
    return await work(postgres);
  } finally {
    await postgres.stop();
  }
}

describe("an embedded PostgreSQL", () => {
  let postgres: EmbeddedPostgres;
  const logged: string[] = [];

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres({
      dataDir,
      durable: true,
      settings: { max_connections: 50 },
      log: (line) => logged.push(line),
    });
  }, 30_000);

  afterAll(() => postgres.stop());

  test("listens on a unix socket only, in a directory closed to others, and not as root", async () => {
    expect((await stat(postgres.socketDir)).mode & 0o777).toBe(0o700);
    await withClient(postgres.url("postgres"), async (client) => {
      expect((await client.query("show listen_addresses")).rows).toEqual([{ listen_addresses: "" }]);
      expect((await client.query("show max_connections")).rows).toEqual([{ max_connections: "50" }]);
      expect((await client.query("show fsync")).rows).toEqual([{ fsync: "on" }]);
      expect((await client.query("select current_user as name")).rows).toEqual([{ name: postgres.user }]);
    });
    expect((await stat(join(dataDir, "cluster"))).uid).toBe(IS_ROOT ? 65534 : process.getuid?.());
  });

  test("passes the server's log on", () => {
    expect(logged.join("\n")).toContain("ready to accept connections");
  });

  test("creates databases, copies them, and drops them though somebody is connected", async () => {
    const template = await postgres.createDatabase("template-1");
    await withClient(template, (client) => client.query("create table t as select 42 as answer"));
    const copy = await postgres.createDatabase('odd "name"', { template: "template-1" });
    await withClient(copy, async (client) => {
      expect((await client.query("select answer from t")).rows).toEqual([{ answer: 42 }]);
      await postgres.dropDatabase('odd "name"');
    });
    await expect(postgres.createDatabase("template-1")).rejects.toThrow("already exists");
    expect(await postgres.createDatabase("template-1", { ifMissing: true })).toBe(template);
    await postgres.dropDatabase("template-1");
    await postgres.dropDatabase("template-1");
  });

  test("refuses a second server on the same data, naming the first one's pid", async () => {
    const second = startEmbeddedPostgres({ dataDir, durable: true });
    await expect(second).rejects.toThrow(EmbeddedPostgresError);
    await expect(second).rejects.toThrow(`already running on ${join(dataDir, "cluster")} (pid ${serverPid()})`);
  }, 15_000);
});

describe("stopping", () => {
  test("ends connections, removes the socket directory, keeps the data, and may be repeated", async () => {
    const postgres = await startEmbeddedPostgres({ dataDir, durable: true });
    const url = await postgres.createDatabase("kept", { ifMissing: true });
    await withClient(url, async (client) => {
      await client.query("create table if not exists t (id int)");
      await Promise.all([postgres.stop(), postgres.stop()]);
    });
    expect(existsSync(postgres.socketDir)).toBe(false);
    await withServer((again) => withClient(again.url("kept"), (client) => client.query("select from t")));
  });
});

describe("when processes are killed", () => {
  test("by SIGKILL of node, the server is gone within 3 s, its socket directory too", async () => {
    const { child, pid, socketDir, url } = await startInChild();
    await withClient(url, async (client) => {
      const ended = new Promise<void>((resolve) => client.once("end", () => resolve()));
      child.kill("SIGKILL");
      await ended;
    });
    await eventually(async () => (await commandOf(pid)) === undefined && !existsSync(socketDir), 3_000);
  }, 15_000);

  test("a start right after the SIGKILL of node waits for the old server and finds the data", async () => {
    const { child, url } = await startInChild();
    await withClient(url, (client) =>
      client.query("create table if not exists after_node (id int); insert into after_node values (1)"),
    );
    child.kill("SIGKILL");
    await withServer((again) => withClient(again.url("postgres"), (client) => client.query("select from after_node")));
  }, 20_000);

  test("all at once by SIGKILL, a start right after it finds everything that was committed", async () => {
    const { child, pid, url, socketDir } = await startInChild();
    const watcher = parentOf(pid);
    await withClient(url, async (client) => {
      await client.query("create table after_all as select generate_series(1, 1000) as id");
      for (const victim of [watcher, child.pid as number, pid]) process.kill(victim, "SIGKILL");
    });
    await withServer((again) =>
      withClient(again.url("postgres"), async (client) => {
        expect((await client.query("select count(*)::int as n from after_all")).rows).toEqual([{ n: 1000 }]);
      }),
    );
    expect(existsSync(socketDir)).toBe(false);
  }, 20_000);

  test("the server itself by SIGKILL, its watcher ends, stopping still works and the next start finds the data", async () => {
    const postgres = await startEmbeddedPostgres({ dataDir, durable: true });
    await withClient(postgres.url("postgres"), (client) => client.query("create table after_server (id int)"));
    const watcher = parentOf(serverPid());
    process.kill(serverPid(), "SIGKILL");
    await postgres.stop();
    await eventually(async () => (await commandOf(watcher)) === undefined);
    await withServer((again) =>
      withClient(again.url("postgres"), (client) => client.query("select from after_server")),
    );
  }, 20_000);

  test("node that dies during the first set-up leaves nothing that stops the next start", async () => {
    const fresh = await mkdtemp(join(tmpdir(), "cellway-embedded-"));
    try {
      const child = spawnNode(fresh);
      await eventually(() => readdirSync(fresh).some((name) => name.startsWith("initdb-")), 10_000);
      child.kill("SIGKILL");
      await once(child, "exit");
      const postgres = await startEmbeddedPostgres({ dataDir: fresh, durable: false });
      await postgres.stop();
    } finally {
      await rm(fresh, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
    }
  }, 30_000);
});

test("a lock file whose process id now belongs to another program does not stop the start", async () => {
  await withServer(async () => {});
  const other = spawn("sleep", ["60"], IS_ROOT ? { uid: 65534, gid: 65534 } : {});
  children.push(other);
  const lockFile = join(dataDir, "cluster", "postmaster.pid");
  await writeFile(lockFile, `${other.pid}\n${join(dataDir, "cluster")}\n1\n5432\n/nowhere\n\n`, { mode: 0o600 });
  if (IS_ROOT) await chown(lockFile, 65534, 65534);
  await withServer(async (postgres) => {
    await withClient(postgres.url("postgres"), (client) => client.query("select 1"));
  });
}, 20_000);

test("two first starts at once on one directory make one cluster; one of them wins", async () => {
  const fresh = await mkdtemp(join(tmpdir(), "cellway-embedded-"));
  try {
    const both = await Promise.allSettled([1, 2].map(() => startEmbeddedPostgres({ dataDir: fresh, durable: false })));
    expect(both.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(readdirSync(fresh)).toEqual(["cluster"]);
    for (const result of both) if (result.status === "fulfilled") await result.value.stop();
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}, 20_000);

describe("an error", () => {
  test("of a server that does not start carries its own last log lines", async () => {
    const start = startEmbeddedPostgres({ dataDir, durable: true, settings: { shared_buffers: "a lot" } });
    await expect(start).rejects.toThrow(
      /did not start: ended \(exit code 1\)[^]*invalid value for parameter "shared_buffers": "a lot"/,
    );
  });

  test("for a platform without binaries says what to set", () => {
    expect(() => resolveNativeDir("win32-x64")).toThrow("CELLWAY_DATABASE_URL");
  });
});

describe("libraries and closed directories", () => {
  const native = resolveNativeDir(`${process.platform}-${process.arch}`);
  let closed: string;

  beforeEach(async () => {
    closed = await mkdtemp(join(tmpdir(), "cellway-closed-"));
    execFileSync("cp", ["-R", join(native, ".."), join(closed, "package")]);
  });

  afterEach(async () => {
    await rm(closed, { recursive: true, force: true });
  });

  test("binaries whose install script did not run, and data, below a directory that only its owner may enter are used", async () => {
    execFileSync("find", [join(closed, "package", "native", "lib"), "-type", "l", "-delete"]);
    await mkdir(join(closed, "data"), { mode: 0o700 });
    const options = { dataDir: join(closed, "data"), durable: false, nativeDir: join(closed, "package", "native") };
    for (let run = 0; run < 2; run += 1) {
      const postgres = await startEmbeddedPostgres(options);
      await withClient(await postgres.createDatabase("d", { ifMissing: true }), (client) =>
        client.query("create table if not exists t ()"),
      );
      await postgres.stop();
    }
  }, 30_000);

  (IS_ROOT && process.platform === "linux" ? test : test.skip)(
    "without the right to pass the directory, the error says how to open it",
    () => {
      const command = [
        "--bounding-set=-setpcap",
        process.execPath,
        "--input-type=module",
        "-e",
        CHILD,
        join(closed, "data"),
      ];
      const { stderr, status } = spawnSync("setpriv", command, { encoding: "utf8" });
      expect(status).toBe(1);
      expect(stderr).toContain(`the user it runs as (65534) may not pass ${closed}. Run: chmod o+rx ${closed}`);
    },
  );
});
