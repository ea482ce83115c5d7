import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Queryable } from "@cellway/database";
import { type LocalMode, withSiloContext } from "@cellway/silo";
import type { Logger, UsageLog } from "@cellway/telemetry";
import {
  FLUSH_INTERVAL_MS,
  FLUSH_SOON_MS,
  GOODBYE_TIMEOUT_MS,
  PRUNE_INTERVAL_MS,
  REPORT_INTERVAL_MS,
  REPORT_RETRY_MS,
} from "./limits.js";
import { createFleetOperator, type FleetOperator } from "./operator.js";
import { FleetStore, type ProcessIdentity } from "./store.js";

/** What a registry is made of. */
export interface ProcessRegistryOptions {
  /** The tables of `localMode`. */
  readonly database: Queryable;
  readonly localMode: LocalMode;
  readonly siloName: string;
  /** What this process runs; asked for when it first reports. */
  readonly build: () => { readonly version: string; readonly contract: string };
  /** What this process counts. Of the two registries of a monolith one has it. */
  readonly usage?: UsageLog;
  readonly logger: Logger;
  /** Milliseconds since the epoch, for tests. Default the database's clock. */
  readonly now?: () => number;
}

/** This process in the database of its silo: that it is there, what it runs, and what of it is used. */
export interface ProcessRegistry {
  /** What the services for operators answer with. */
  readonly operator: FleetOperator;
  /** Reports once, and from then on every few seconds. Never fails: what cannot be written is tried again. */
  start(): Promise<void>;
  /** Says now that this process is there. */
  report(): Promise<void>;
  /** Writes now what was counted. When it fails, that is kept for the next time. */
  flush(): Promise<void>;
  /** Writes what was counted and says goodbye; gives up after two seconds. Safe to call twice. */
  stop(): Promise<void>;
}

/** Creates the registry of a process. Nothing is written before it starts. */
export function createProcessRegistry(options: ProcessRegistryOptions): ProcessRegistry {
  return new DatabaseRegistry(options);
}

class DatabaseRegistry implements ProcessRegistry {
  readonly operator: FleetOperator;
  private readonly store: FleetStore;
  private readonly id = randomUUID();
  private readonly timers: Partial<Record<"flush" | "report" | "soon", NodeJS.Timeout>> = {};
  private isKnown = false;
  private isStopped = false;
  /** The last writing failed; said once. */
  private isFailing = false;
  private prunedAtMs = Number.NEGATIVE_INFINITY;
  private reporting: Promise<void> = Promise.resolve();
  private flushing: Promise<void> = Promise.resolve();
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: ProcessRegistryOptions) {
    const { database, localMode, now } = options;
    this.store = new FleetStore(database, localMode, now);
    this.operator = createFleetOperator(this.store, () => this.flush());
  }

  async start(): Promise<void> {
    await this.reportLater(0);
    if (this.options.usage === undefined || this.isStopped) return;
    this.timers.flush = setInterval(() => void this.attempt(() => this.flush()), FLUSH_INTERVAL_MS).unref();
    this.options.usage.onNew = () => {
      this.timers.soon ??= setTimeout(() => {
        delete this.timers.soon;
        void this.attempt(() => this.flush());
      }, FLUSH_SOON_MS).unref();
    };
  }

  report(): Promise<void> {
    const reporting = this.reporting.then(() => this.inSilo(() => this.writeReport()));
    this.reporting = reporting.catch(() => undefined);
    return reporting;
  }

  flush(): Promise<void> {
    const flushing = this.flushing.then(() => this.inSilo(() => this.writeUses()));
    this.flushing = flushing.catch(() => undefined);
    return flushing;
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timers.report);
    clearInterval(this.timers.flush);
    clearTimeout(this.timers.soon);
    if (this.options.usage !== undefined) this.options.usage.onNew = undefined;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GOODBYE_TIMEOUT_MS);
    });
    await Promise.race([this.leave(), tooLate]);
    clearTimeout(timer);
  }

  private async leave(): Promise<void> {
    await this.attempt(() => this.flush());
    await this.reporting;
    if (this.isKnown) await this.attempt(() => this.inSilo(() => this.store.sayGoodbye(this.id)));
  }

  private async writeReport(): Promise<void> {
    const { siloName, build } = this.options;
    const identity: ProcessIdentity = {
      id: this.id,
      silo: siloName,
      host: hostname(),
      pid: process.pid,
      ...build(),
    };
    await this.store.report(identity, this.options.usage?.declared ?? [], !this.isKnown);
    this.isKnown = true;
    if (performance.now() - this.prunedAtMs < PRUNE_INTERVAL_MS) return;
    this.prunedAtMs = performance.now();
    await this.store.prune();
  }

  private async writeUses(): Promise<void> {
    const { usage } = this.options;
    const taken = usage?.take() ?? [];
    if (taken.length === 0) return;
    try {
      await this.store.addUses(taken);
    } catch (error) {
      usage?.giveBack(taken);
      throw error;
    }
  }

  /** Reports after a pause, and so on until this stops. */
  private async reportLater(pauseMs: number): Promise<void> {
    const run = async () => {
      const isDone = await this.attempt(() => this.report());
      void this.reportLater(isDone ? REPORT_INTERVAL_MS * (1 - Math.random() / 10) : REPORT_RETRY_MS);
    };
    if (pauseMs === 0) return run();
    if (!this.isStopped) this.timers.report = setTimeout(() => void run(), pauseMs).unref();
  }

  /** A database that does not answer is seen elsewhere too: it is said once. */
  private async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.isFailing = false;
      return true;
    } catch (error) {
      if (!this.isFailing)
        this.options.logger.warn({ err: error }, "what this process reports cannot be written down; it is tried again");
      this.isFailing = true;
      return false;
    }
  }

  private inSilo<T>(work: () => Promise<T>): Promise<T> {
    const { localMode, siloName } = this.options;
    return withSiloContext({ localMode, siloName }, work);
  }
}
