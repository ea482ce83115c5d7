import { join } from "node:path";
import { findFreePorts } from "@cellway/testing";
import { waitUntilReady } from "cellway/dist/dev/ready.js";
import { type SiloProcess, startSiloProcess } from "cellway/dist/dev/silo-process.js";
import type { Balancer } from "./balancer.js";
import type { Tree } from "./trees.js";

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

interface Serving {
  readonly tree: Tree;
  readonly rpcAddress: string;
  readonly process: SiloProcess;
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
    const old = this.serving.filter((serving) => serving.tree !== tree);
    if (old.length === 0) return;
    await this.migrate(tree);
    for (const replaced of old) {
      await this.start(tree);
      this.serving = this.serving.filter((other) => other !== replaced);
      await this.end(replaced);
    }
  }

  async close(): Promise<void> {
    const { serving } = this;
    this.serving = [];
    await Promise.all(serving.map((one) => this.end(one)));
  }

  private async migrate(tree: Tree): Promise<void> {
    const process = this.spawn(tree, "migrate");
    const how = await process.ended;
    if (how !== "exit code 0") throw describe(`${tree.name} cannot migrate ${this.name} (${how})`, process);
  }

  private async start(tree: Tree): Promise<void> {
    const [rpcPort, httpPort] = await findFreePorts(2);
    const rpcAddress = `http://127.0.0.1:${rpcPort}`;
    const httpAddress = `http://127.0.0.1:${httpPort}`;
    const process = this.spawn(tree, "serve", { CELLWAY_RPC_LISTEN: rpcAddress, CELLWAY_HTTP_LISTEN: httpAddress });
    try {
      const name = `${this.name} of ${tree.name}`;
      await waitUntilReady({ name, httpAddress }, process, { deadlineAtMs: Date.now() + READY_TIMEOUT_MS });
    } catch (error) {
      process.kill("SIGKILL");
      throw error;
    }
    this.serving = [...this.serving, { tree, rpcAddress, process }];
    this.options.balancer.add(rpcAddress);
  }

  /** Takes a process out, asks it to end, and insists that it does so by itself. */
  private async end({ tree, rpcAddress, process }: Serving): Promise<void> {
    this.options.balancer.remove(rpcAddress);
    process.kill("SIGTERM");
    const timer = setTimeout(() => process.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const how = await process.ended;
    clearTimeout(timer);
    if (how !== "exit code 0")
      throw describe(`${this.name} of ${tree.name} did not end as it should (${how})`, process);
  }

  /** Runs `cellway COMMAND --silo …` of a tree. */
  private spawn(tree: Tree, command: "migrate" | "serve", env: Readonly<Record<string, string>> = {}): SiloProcess {
    return startSiloProcess({
      args: [join(tree.root, "cli/bin/cellway.js"), command, "--silo", this.options.kind],
      env: { ...this.options.env, ...env },
      logFile: join(this.options.folder, `${this.name}-${command}-${Math.random().toString(36).slice(2)}.log`),
    });
  }
}

function describe(what: string, process: SiloProcess): Error {
  return new Error(`${what}:\n${process.tail().join("\n")}`);
}
