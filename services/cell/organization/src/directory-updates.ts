import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceContext } from "@cellway/host";
import { currentCall, detachFromCall } from "@cellway/rpc";
import { deliverUpdates } from "./deliver-updates.js";
import { releaseLease, takeLease } from "./store/directory-update-lease.js";
import { findPendingOrganizations, listDueOrganizations } from "./store/pending-directory-update.js";

/** How long a change waits for the directory to know of it before it answers all the same. */
const FLUSH_WAIT_MS = 1_000;
/** What a flush leaves of its call's time for the answer. */
const ANSWER_RESERVE_MS = 250;
/** After which a process that died has lost its lease. Longer than a delivery; renewed before each. */
const LEASE_MS = 5_000;
/** How often a flush looks while another process delivers. */
const LEASE_POLL_MS = 25;
/** Messages to the directory in flight. */
const WORKERS = 4;
/** The oldest rows that are looked at to find whose turn it is. */
const DUE_ROWS_MAX = 500;

/**
 * Delivers what changed in a cell to control's directory, oldest first, one process at a time; within it several
 * organizations at once, one of them failing without stopping the others. Organizations that somebody waits for go
 * first. Nothing here holds a connection or a transaction while it waits for control.
 */
export class DirectoryUpdates {
  private readonly waiting = new Map<string, Set<() => void>>();
  private running: Promise<void> | undefined;
  /** For the log: said once when control goes, and once when it is back. */
  private isControlAway = false;
  private isStopping = false;

  constructor(private readonly context: ServiceContext) {}

  /**
   * Waits until the directory knows what was committed of the organization, for at most a second and never so long that
   * the call misses its deadline. Never fails: what is not delivered now will be later.
   */
  async flush(organizationId: string): Promise<void> {
    if (this.isStopping) return;
    const waitMs = Math.min(FLUSH_WAIT_MS, (currentCall()?.deadlineAtMs ?? Infinity) - Date.now() - ANSWER_RESERVE_MS);
    const delivered = new Promise<void>((resolve) => {
      const waiters = this.waiting.get(organizationId) ?? new Set();
      this.waiting.set(organizationId, waiters.add(done));
      const timer = setTimeout(done, Math.max(0, waitMs));
      function done() {
        clearTimeout(timer);
        waiters.delete(done);
        resolve();
      }
    });
    this.running ??= this.start();
    await delivered;
    if (this.waiting.get(organizationId)?.size === 0) this.waiting.delete(organizationId);
  }

  /** Tries everything that is due once. What fails is logged and kept; rejects only when the database does. */
  async drain(): Promise<void> {
    while (this.running !== undefined) await this.running.catch(() => undefined);
    if (this.isStopping) return;
    this.running = this.start();
    await this.running;
  }

  /** Finishes the deliveries under way, and gives the lease back to the next process. What is left is delivered by that. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.releaseAll();
    await this.running?.catch(() => undefined);
  }

  private start(): Promise<void> {
    const running = detachFromCall(() => this.run());
    // Whoever flushes does not look at the outcome.
    running.catch((error: unknown) =>
      this.context.logger.warn({ err: error }, "delivering to the directory was interrupted"),
    );
    return running;
  }

  private async run(): Promise<void> {
    const { manager } = this.context.database;
    const holder = randomUUID();
    try {
      while (!this.isStopping) {
        if (await takeLease(manager, holder, LEASE_MS)) {
          const isControlAway = await this.drainDue(holder);
          if (isControlAway || this.waiting.size === 0) return;
        } else {
          // Another process delivers. A task leaves it to that; a call wants to know when its rows are gone.
          await this.releaseDelivered();
          if (this.waiting.size === 0) return;
          await sleep(LEASE_POLL_MS);
        }
      }
    } finally {
      this.running = undefined;
      this.releaseAll();
    }
  }

  /** Until nothing is due, the lease is lost, this stops, or control is away: then it answers true. Gives the lease back. */
  private async drainDue(holder: string): Promise<boolean> {
    const { manager } = this.context.database;
    try {
      while (!this.isStopping) {
        const due = new Set(await listDueOrganizations(manager, DUE_ROWS_MAX));
        if (due.size === 0 && this.waiting.size === 0) return false;
        const round: Round = { due, holder, isOver: false, isControlAway: false };
        await Promise.all(Array.from({ length: WORKERS }, () => this.work(round)));
        if (round.isOver) return round.isControlAway;
      }
      return false;
    } finally {
      await releaseLease(manager, holder);
    }
  }

  private async work(round: Round): Promise<void> {
    for (let next = this.takeNext(round); next !== undefined; next = this.takeNext(round)) {
      const { organizationId, waiters } = next;
      try {
        if (!(await takeLease(this.context.database.manager, round.holder, LEASE_MS))) {
          round.isOver = true;
          return;
        }
        const outcome = await deliverUpdates(this.context, organizationId);
        this.noteControl(outcome === "away");
        if (outcome === "away") round.isOver = round.isControlAway = true;
      } finally {
        for (const release of waiters) release();
      }
    }
  }

  private takeNext(round: Round): { organizationId: string; waiters: readonly (() => void)[] } | undefined {
    if (round.isOver || this.isStopping) return undefined;
    const [organizationId] = this.waiting.size > 0 ? this.waiting.keys() : round.due;
    if (organizationId === undefined) return undefined;
    const waiters = [...(this.waiting.get(organizationId) ?? [])];
    this.waiting.delete(organizationId);
    round.due.delete(organizationId);
    return { organizationId, waiters };
  }

  private noteControl(isAway: boolean): void {
    if (isAway === this.isControlAway) return;
    this.isControlAway = isAway;
    if (isAway)
      this.context.logger.warn("control cannot be reached: what changes here is kept, and told when it is back");
    else this.context.logger.info("control is back, and told what changed meanwhile");
  }

  private async releaseDelivered(): Promise<void> {
    const organizationIds = [...this.waiting.keys()];
    if (organizationIds.length === 0) return;
    const pending = await findPendingOrganizations(this.context.database.manager, organizationIds);
    for (const organizationId of organizationIds) {
      if (!pending.has(organizationId)) this.release(organizationId);
    }
  }

  private releaseAll(): void {
    for (const organizationId of this.waiting.keys()) this.release(organizationId);
  }

  private release(organizationId: string): void {
    const waiters = [...(this.waiting.get(organizationId) ?? [])];
    this.waiting.delete(organizationId);
    for (const release of waiters) release();
  }
}

interface Round {
  /** Organizations whose turn it is. */
  readonly due: Set<string>;
  readonly holder: string;
  /** True: take no more. */
  isOver: boolean;
  isControlAway: boolean;
}

const instances = new WeakMap<ServiceContext, DirectoryUpdates>();

/** The one deliverer of a running service, shared by its calls and its task. */
export function directoryUpdatesOf(context: ServiceContext): DirectoryUpdates {
  let instance = instances.get(context);
  if (instance === undefined) {
    instance = new DirectoryUpdates(context);
    instances.set(context, instance);
  }
  return instance;
}
