import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { runAs, type ServerAccount, SYSTEM_PATH } from "./account.js";
import { EmbeddedPostgresError, withLog } from "./errors.js";

/** A running server process. */
export interface ServerProcess {
  /** The server's last log lines. */
  readonly logLines: readonly string[];
  /** Settles when the server has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** INT ends every session and shuts down cleanly; QUIT stops at once and recovers at the next start. */
  signal(name: "INT" | "QUIT"): void;
}

/** The server ended before it was ready. */
export class ServerExitError extends EmbeddedPostgresError {
  constructor(
    message: string,
    readonly logLines: readonly string[],
  ) {
    super(withLog(message, logLines));
  }
}

const LOG_LINES_MAX = 20;

/**
 * The parent of postgres. Its standard input is a pipe that only the node process writes: each line names a signal to
 * pass on, and the end of it, however node ended, stops the server at once. Postgres itself gets no end of that pipe.
 * When postgres ends, the loop is ended and the socket's directory ($1) goes. $0 names the process in ps.
 */
const WATCHER = `
dir=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ while read -r name <&3; do kill -"$name" "$server"; done; kill -QUIT "$server"; } 2>/dev/null &
loop=$!
exec 3<&-
wait "$server"; code=$?
kill "$loop" 2>/dev/null
rm -f "$dir"/.s.PGSQL.*; rmdir "$dir" 2>/dev/null
exit "$code"
`;

/**
 * Starts postgres and waits until it accepts connections.
 *
 * @param log - told each line the server logs.
 * @throws ServerExitError when it ends instead; its message holds the server's last lines.
 */
export async function startServerProcess(options: {
  command: readonly string[];
  account: ServerAccount;
  socketDir: string;
  log?: ((line: string) => void) | undefined;
}): Promise<ServerProcess> {
  const { argv, options: identity } = runAs(options.account, [
    "/bin/sh",
    "-c",
    WATCHER,
    "cellway-postgres",
    options.socketDir,
    ...options.command,
  ]);
  const [file = "", ...args] = argv;
  // A process group of its own: Ctrl-C reaches only node, which still needs the database while it stops.
  const child = spawn(file, args, {
    ...identity,
    cwd: "/",
    env: { PATH: SYSTEM_PATH, LC_ALL: "C" },
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stdin?.on("error", () => {}); // The server is gone already.
  const logLines: string[] = [];
  const failed = new Promise<Error | undefined>((resolve) => {
    child.once("error", (error) => resolve(error));
    child.once("close", () => resolve(undefined));
  });
  const ready = watchLog(child, logLines, options.log);
  const outcome = await Promise.race([ready.then(() => "ready" as const), failed]);
  if (outcome !== "ready") {
    const why =
      outcome === undefined ? `ended (${child.signalCode ?? `exit code ${child.exitCode}`})` : outcome.message;
    throw new ServerExitError(`PostgreSQL did not start: ${why}`, logLines);
  }
  return {
    logLines,
    ended: failed.then(() => {}),
    signal: (name) => void child.stdin?.write(`${name}\n`),
  };
}

async function watchLog(child: ChildProcess, logLines: string[], log?: (line: string) => void): Promise<void> {
  if (child.stderr === null) throw new TypeError("stderr is a pipe");
  const lines = createInterface({ input: child.stderr });
  await new Promise<void>((resolve) => {
    lines.on("line", (line) => {
      logLines.push(line);
      if (logLines.length > LOG_LINES_MAX) logLines.shift();
      log?.(line);
      if (line.includes("database system is ready to accept connections")) resolve();
    });
  });
}
