import { basename } from "node:path";
import { CommandError } from "../errors.js";
import { isMapToken, MAP_NAMES, type MapName } from "./route-maps.js";
import { RuntimeSocket } from "./runtime-socket.js";

/** After this, what HAProxy holds is read again, though it is the same process: somebody else may have changed it. */
const COMPARE_INTERVAL_MS = 60_000;

/** What one round did. */
export interface SyncResult {
  /** Whether what HAProxy holds was read, and not only remembered. */
  readonly isCompared: boolean;
  readonly added: number;
  readonly set: number;
  readonly deleted: number;
}

/** What is known of a map in the HAProxy that runs. */
interface HeldMap {
  readonly id: string;
  readonly keys: Map<string, string>;
}

/**
 * Brings the maps of a running HAProxy to what they should be: a round compares with what it holds and sends the
 * difference, each command acknowledged. Nothing is queued: what could not be sent is in the next round's difference. Each
 * round connects anew, so that after a reload of HAProxy it is the new process that is spoken to.
 */
export class MapSynchronizer {
  private held: Map<MapName, HeldMap> | undefined;
  private pid = "";
  private comparedAtMs = 0;

  constructor(
    private readonly socketPath: string,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * One round.
   *
   * @throws CommandError or the system's error; what HAProxy holds is then read again by the next round.
   */
  async sync(wanted: Readonly<Record<MapName, ReadonlyMap<string, string>>>): Promise<SyncResult> {
    const socket = await RuntimeSocket.open(this.socketPath);
    try {
      const isCompared = await this.compare(socket);
      const result = { isCompared, added: 0, set: 0, deleted: 0 };
      for (const [name, map] of this.held ?? []) await syncMap(socket, map, wanted[name], result);
      return result;
    } catch (error) {
      this.held = undefined;
      throw error;
    } finally {
      socket.close();
    }
  }

  /** Reads what HAProxy holds, unless that is known. */
  private async compare(socket: RuntimeSocket): Promise<boolean> {
    const pid = /^Pid: (\d+)$/m.exec(await socket.ask("show info"))?.[1];
    if (pid === undefined) throw new CommandError("HAProxy does not say its process id; its socket needs level admin.");
    const isKnown = this.held !== undefined && pid === this.pid;
    if (isKnown && this.now() - this.comparedAtMs < COMPARE_INTERVAL_MS) return false;
    this.held = undefined;
    const ids = findMapIds(await socket.ask("show map"));
    const held = new Map<MapName, HeldMap>();
    for (const [name, id] of ids) held.set(name, { id, keys: await readMap(socket, id) });
    this.held = held;
    this.pid = pid;
    this.comparedAtMs = this.now();
    return true;
  }
}

/** The maps that HAProxy has of ours: by the names of their files, wherever it sees them. */
function findMapIds(listing: string): Map<MapName, string> {
  const ids = new Map<MapName, string>();
  for (const [, id = "", path = ""] of listing.matchAll(/^(\d+) \(([^)]*)\)/gm)) {
    const name = MAP_NAMES.find((candidate) => basename(path) === `${candidate}.map`);
    if (name === undefined) continue;
    if (ids.has(name)) throw new CommandError(`HAProxy has two maps of files called ${name}.map; it must have one.`);
    ids.set(name, `#${id}`);
  }
  if (ids.size === 0)
    throw new CommandError(
      `HAProxy uses no map of a file called ${MAP_NAMES.map((name) => `${name}.map`).join(" or ")}.`,
    );
  return ids;
}

async function readMap(socket: RuntimeSocket, id: string): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  for (const line of (await socket.ask(`show map ${id}`)).split("\n")) {
    const [pointer, key, value = ""] = line.split(" ");
    if (key === undefined || !/^0x[0-9a-f]+$/.test(pointer ?? "")) continue;
    // A key that is there twice: which value counts is not ours to guess, so that it is set anew.
    keys.set(key, keys.has(key) ? "" : value);
  }
  return keys;
}

async function syncMap(
  socket: RuntimeSocket,
  { id, keys }: HeldMap,
  wanted: ReadonlyMap<string, string>,
  result: { added: number; set: number; deleted: number },
): Promise<void> {
  const tell = async (command: string) => {
    const answer = (await socket.ask(command)).trim();
    if (answer !== "") throw new CommandError(`HAProxy refused "${command}": ${answer.split("\n", 1)[0]}`);
  };
  for (const [key, cell] of wanted) {
    const held = keys.get(key);
    if (held === cell) continue;
    await tell(held === undefined ? `add map ${id} ${key} ${cell}` : `set map ${id} ${key} ${cell}`);
    keys.set(key, cell);
    if (held === undefined) result.added += 1;
    else result.set += 1;
  }
  for (const key of keys.keys()) {
    // One that we never wrote, and that no command can name safely, leads nobody of ours astray.
    if (wanted.has(key) || !isMapToken(key)) continue;
    await tell(`del map ${id} ${key}`);
    keys.delete(key);
    result.deleted += 1;
  }
}
