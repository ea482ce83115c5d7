import type { Stats } from "node:fs";
import { chown, readFile, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EmbeddedPostgresError } from "./errors.js";

/** The user and group of `nobody` on Linux; only the numbers matter, no such account is needed. */
const NOBODY = 65534;

/** Finds setpriv also where the environment has no PATH. */
export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** As whom PostgreSQL runs, which refuses to run as root. */
export interface ServerAccount {
  /** Undefined when this process is not root: PostgreSQL then runs as its user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Put before a command, for what spawn's uid and gid cannot do. Empty mostly. */
  readonly prefix: readonly string[];
}

/** Linux capabilities by their bit. The first lets a user pass closed directories, the second also run closed files. */
const CAPABILITIES = [
  { name: "dac_read_search", bit: 2n },
  { name: "dac_override", bit: 1n },
];
const CAP_SETPCAP_BIT = 8n;

/**
 * As root: the owner of the cluster if there is one, else `nobody`. When a directory above one of `paths` is closed
 * to that user, such as /root, the server gets the capability to pass it, through setpriv; nothing is opened up.
 *
 * @param clusterDir - the cluster's directory, which may not exist yet.
 * @param paths - files and directories the server must reach. They exist.
 * @throws EmbeddedPostgresError with the remedy when that is impossible.
 */
export async function chooseAccount(clusterDir: string, paths: readonly string[]): Promise<ServerAccount> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const owner = await ownerOf(clusterDir);
  const closed = await findClosed(paths, owner);
  if (closed === undefined) return { owner, prefix: [] };
  const capability = await findCapability(await canRun(paths, owner));
  if (capability === undefined) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and the user it runs as (${owner.uid}) may not pass ${closed}. Run: chmod o+rx ${closed}; ` +
        "or move the project to a directory that others may enter, or do not run as root.",
    );
  }
  const caps = `+${capability}`;
  // Without the secure bit, access(2) forgets capabilities, and initdb asks it about its own binaries.
  const flags = [
    "--securebits=+no_setuid_fixup",
    `--reuid=${owner.uid}`,
    `--regid=${owner.gid}`,
    "--clear-groups",
    `--inh-caps=${caps}`,
    `--ambient-caps=${caps}`,
  ];
  return { owner, prefix: ["setpriv", ...flags] };
}

/** Hands a new directory to the account. Nothing to do when this process is not root. */
export async function giveToAccount(path: string, account: ServerAccount): Promise<void> {
  if (account.owner !== undefined) await chown(path, account.owner.uid, account.owner.gid);
}

/** The command and spawn options that run `command` as the account. */
export function runAs(
  account: ServerAccount,
  command: readonly string[],
): { argv: string[]; options: { uid?: number; gid?: number } } {
  const argv = [...account.prefix, ...command];
  if (account.owner === undefined || account.prefix.length > 0) return { argv, options: {} };
  return { argv, options: { ...account.owner } };
}

async function ownerOf(clusterDir: string): Promise<{ uid: number; gid: number }> {
  const stats = await stat(clusterDir).catch(() => undefined);
  return stats === undefined || stats.uid === 0 ? { uid: NOBODY, gid: NOBODY } : { uid: stats.uid, gid: stats.gid };
}

async function findClosed(paths: readonly string[], owner: { uid: number; gid: number }): Promise<string | undefined> {
  for (const path of paths) {
    for (let next = await realpath(path); ; next = dirname(next)) {
      if (!isOpen(await stat(next), owner)) return next;
      if (dirname(next) === next) break;
    }
  }
  return undefined;
}

/** Whether the programs among `paths`, taken by themselves, may be run: the weaker capability does not help there. */
async function canRun(paths: readonly string[], owner: { uid: number; gid: number }): Promise<boolean> {
  const all = await Promise.all(paths.map((path) => stat(path)));
  return all.every((stats) => !stats.isFile() || isOpen(stats, owner));
}

function isOpen(stats: Stats, owner: { uid: number; gid: number }): boolean {
  const shift = stats.uid === owner.uid ? 6 : stats.gid === owner.gid ? 3 : 0;
  return ((stats.mode >> shift) & 1) === 1;
}

/** The weakest capability that suffices and that this process may hand on, if there is one. */
async function findCapability(programsOpen: boolean): Promise<string | undefined> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const mask = (field: string) => BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
  const allowed = mask("CapPrm") & mask("CapBnd");
  const may = (bit: bigint) => (allowed & (1n << bit)) !== 0n;
  const setpriv = await Promise.all(SYSTEM_PATH.split(":").map((dir) => stat(`${dir}/setpriv`).catch(() => undefined)));
  if (setpriv.every((stats) => stats === undefined) || !may(CAP_SETPCAP_BIT)) return undefined;
  return CAPABILITIES.slice(programsOpen ? 0 : 1).find(({ bit }) => may(bit))?.name;
}
