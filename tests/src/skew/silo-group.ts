import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findFreePorts } from "@cellway/testing";
import type { Balancer } from "./balancer.js";
import type { Tree } from "./trees.js";

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
const LOG_LINES = 20;

interface Spawned {
  /** Settles when it has ended, with how: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** The last lines that it logged. */
  tail(): Promise<string>;
}

interface Serving extends Spawned {
  readonly tree: Tree;
  readonly rpcAddress: string;
}

/** What the processes of a silo are told. */
export interface SiloGroupOptions {
  readonly kind: "control" | "cell";
  readonly balancer: Balancer;
  /** The settings that all its processes share. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where they log. */
  readonly folder: string;
  /** How many there are. */
  readonly processes: number;
}

/** The processes of one silo behind one address, of one release or, for a while, of two. */
export class SiloGroup {
  private serving: readonly Serving[] = [];

  constructor(
    readonly name: string,
    private readonly options: SiloGroupOptions,
  ) {}

  /** Migrates the silo's database and starts its first processes. */
  async open(tree: Tree): Promise<void> {
    await this.migrate(tree);
    await Promise.all(Array.from({ length: this.options.processes }, () => this.start(tree)));
  }

  /**
   * Brings the silo to another tree: first the database, while the old processes go on, then one process after the
   * other. A new one serves before an old one is asked to end. Nothing happens where it runs that tree already.
   */
  async deploy(tree: Tree): Promise<void> {
    const old = this.serving.filter((process) => process.tree !== tree);
    if (old.length === 0) return;
    await this.migrate(tree);
    for (const process of old) {
      await this.start(tree);
      this.serving = this.serving.filter((other) => other !== process);
      await this.end(process);
    }
  }

  async close(): Promise<void> {
    const { serving } = this;
    this.serving = [];
    await Promise.all(serving.map((process) => this.end(process)));
  }

  private async migrate(tree: Tree): Promise<void> {
    const child = this.spawn(tree, ["migrate"], {});
    const how = await child.ended;
    if (how !== "exit code 0")
      throw new Error(`${tree.name} cannot migrate ${this.name} (${how}):\n${await child.tail()}`);
  }

  private async start(tree: Tree): Promise<void> {
    const [rpcPort, httpPort] = await findFreePorts(2);
    const rpcAddress = `http://127.0.0.1:${rpcPort}`;
    const httpAddress = `http://127.0.0.1:${httpPort}`;
    const child = this.spawn(tree, ["serve"], { CELLWAY_RPC_LISTEN: rpcAddress, CELLWAY_HTTP_LISTEN: httpAddress });
    let ended: string | undefined;
    void child.ended.then((how) => {
      ended = how;
    });
    const giveUpAt = performance.now() + READY_TIMEOUT_MS;
    while (!(await isReady(httpAddress))) {
      if (ended !== undefined || performance.now() > giveUpAt) {
        child.kill("SIGKILL");
        throw new Error(
          `${this.name} of ${tree.name} does not get ready (${ended ?? "too slow"}):\n${await child.tail()}`,
        );
      }
      await delay(POLL_MS);
    }
    this.serving = [...this.serving, { ...child, tree, rpcAddress }];
    this.options.balancer.add(rpcAddress);
  }

  /** Takes a process out, asks it to end, and insists that it does so by itself. */
  private async end(process: Serving): Promise<void> {
    this.options.balancer.remove(process.rpcAddress);
    process.kill("SIGTERM");
    const timer = setTimeout(() => process.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const how = await process.ended;
    clearTimeout(timer);
    if (how !== "exit code 0")
      throw new Error(
        `${this.name} of ${process.tree.name} did not end as it should (${how}):\n${await process.tail()}`,
      );
  }

  /** Runs `cellway COMMAND --silo …` of a tree. It ends with this process, even by SIGKILL. */
  private spawn(
    tree: Tree,
    [command = "", ...more]: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Spawned {
    const logFile = join(this.options.folder, `${this.name}-${command}-${Math.random().toString(36).slice(2)}.log`);
    const log = openSync(logFile, "a", 0o600);
    const script = join(tree.root, "cli/bin/cellway.js");
    const child = spawn(process.execPath, [script, command, "--silo", this.options.kind, ...more], {
      cwd: tree.root,
      env: { ...this.options.env, ...env },
      stdio: ["ignore", log, log, "ipc"],
    });
    closeSync(log);
    return {
      ended: new Promise((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
      }),
      kill: (signal) => void child.kill(signal),
      tail: async () => (await readFile(logFile, "utf8")).split("\n").slice(-LOG_LINES).join("\n"),
    };
  }
}

async function isReady(httpAddress: string): Promise<boolean> {
  const answer = await fetch(`${httpAddress}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}
