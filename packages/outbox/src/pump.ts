import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { endsSession } from "@cellway/database";
import type { PumpOptions } from "./pump-options.js";
import { Session } from "./session.js";
import { type Fence, LeaseLostError } from "./store.js";

/** How long {@link Pump.stop} waits for a database that does not answer. */
const STOP_MAX_MS = 5_000;

/** Owns the outbox of a silo whenever no other process of it does, and delivers what is in it. */
export class Pump {
  private readonly holder = randomUUID();
  private readonly stopping = new AbortController();
  private session: Session | undefined;
  private running: Promise<void> | undefined;
  private ownedUntilMs = 0;

  constructor(private readonly options: PumpOptions) {}

  /** Whether this process delivers now. */
  get isOwner(): boolean {
    return this.session?.ended.aborted === false;
  }

  start(): void {
    this.running ??= this.run();
  }

  /**
   * Ends deliveries under way, and gives the outbox to the next process; where the database or a silo does not answer,
   * that comes when the lease ends.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.session?.end();
    if (this.running === undefined) return;
    const waiting = new AbortController();
    const over = sleep(STOP_MAX_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
    await Promise.race([this.running, over]);
    waiting.abort();
  }

  /** There may be something new; false when another process delivers. */
  wake(): boolean {
    this.session?.wake();
    return this.isOwner;
  }

  /** What this process has in memory, for gauges. */
  describe(): { readonly rows: number; readonly heldStreams: number } {
    return this.session?.describe() ?? { rows: 0, heldStreams: 0 };
  }

  private async run(): Promise<void> {
    const { logger, limits } = this.options;
    /** For the log: each cause once, however often it comes. */
    let lastFailure: string | undefined;
    while (!this.stopping.signal.aborted) {
      let pauseMs = limits.leaseMs / 10;
      try {
        const fence = await this.take();
        if (fence !== undefined) await this.own(fence);
        lastFailure = undefined;
      } catch (error) {
        pauseMs = 200;
        const failure = String(error);
        if (error instanceof LeaseLostError) logger.warn("another process has taken the outbox over");
        else if (failure !== lastFailure) logger.warn({ err: error }, "delivering was interrupted; it begins anew");
        lastFailure = failure;
      }
      await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async take(): Promise<Fence | undefined> {
    // Counted from before the question: what is given then ends no earlier than we think.
    const askedAt = performance.now();
    const fence = await this.options.store.takeLease(this.holder, this.options.limits.leaseMs);
    if (fence !== undefined) this.ownedUntilMs = askedAt + this.options.limits.leaseMs;
    return fence;
  }

  private async own(fence: Fence): Promise<void> {
    const session = new Session({ ...this.options, fence, ownedUntilMs: () => this.ownedUntilMs });
    this.session = session;
    const renewal = this.renew(fence, session);
    // Also while a renewal is under way that the database does not answer.
    const watch = setInterval(() => {
      if (performance.now() >= this.ownedUntilMs) session.end(new LeaseLostError("The lease was not renewed in time."));
    }, this.options.limits.leaseMs / 20);
    try {
      if (!this.stopping.signal.aborted) await session.run();
    } finally {
      this.session = undefined;
      session.end();
      clearInterval(watch);
      await renewal;
      await this.options.store.releaseLease(fence).catch(() => undefined);
    }
  }

  private async renew(fence: Fence, session: Session): Promise<void> {
    const ended = session.ended;
    while (!ended.aborted) {
      await sleep(this.options.limits.leaseMs / 4, undefined, { signal: ended }).catch(() => undefined);
      if (ended.aborted) return;
      try {
        const renewed = await this.take();
        if (renewed?.epoch !== fence.epoch) session.end(new LeaseLostError("The lease was taken over."));
      } catch (error) {
        // Others are tried again until the lease ends.
        if (endsSession(error)) session.end(error);
      }
    }
  }
}
