import { withSiloContext } from "@cellway/silo";
import type { Acknowledgements } from "./acknowledgements.js";
import { coalesceWithTable, deliverOnce, type RowPlace } from "./delivery.js";
import type { Destinations } from "./destinations.js";
import type { HeldStreams } from "./held-streams.js";
import type { Holding } from "./holding.js";
import { DestinationAwayError, type Verdict } from "./message.js";
import type { MessageQueue, Taken } from "./message-queue.js";
import type { PumpOptions } from "./pump-options.js";
import type { Fence } from "./store.js";

/** What a sender works with: the parts of one session. */
export interface SenderParts {
  readonly options: PumpOptions & { readonly fence: Fence };
  /** Streams that flow. */
  readonly hot: MessageQueue;
  /** Rows of held streams that were read. */
  readonly beside: MessageQueue;
  readonly held: HeldStreams;
  readonly destinations: Destinations;
  readonly acknowledgements: Acknowledgements;
  readonly holding: Holding;
  /** Until when this process surely owns the outbox, on the monotonic clock. */
  readonly ownedUntilMs: () => number;
  readonly ended: AbortSignal;
  readonly end: (failure: unknown) => void;
}

/** Sends what is in memory: to each destination as much at once as it may have, each stream in order. */
export class Sender {
  /** Rows that were delivered before the reader came to them. */
  readonly claimed = new Set<string>();
  /** Whether anything is parked that a newer state may replace. */
  hasParked = false;
  /** Whether the table may hold rows that were not read yet. */
  isBehind = false;
  private readonly calls = new Set<Promise<void>>();

  constructor(private readonly parts: SenderParts) {}

  /** The reader has come to every row up to this id. */
  forgetClaims(readUpTo: bigint): void {
    for (const id of this.claimed) if (BigInt(id) <= readUpTo) this.claimed.delete(id);
  }

  /** Resolves once no call is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.calls);
  }

  /** Sends whatever can be sent now. */
  dispatch(): void {
    for (const from of ["outbox", "outbox_held"] as const) {
      const queue = this.queueOf(from);
      for (const destination of queue.readyDestinations()) {
        while (this.maySend(destination)) {
          const taken = queue.take(destination, this.parts.options.limits);
          if (taken.length === 0) break;
          const call = this.send(from, destination, taken).finally(() => {
            this.calls.delete(call);
            if (!this.parts.ended.aborted) this.dispatch();
          });
          this.calls.add(call);
        }
      }
    }
  }

  private maySend(destination: string): boolean {
    if (this.parts.ended.aborted || this.parts.acknowledgements.isFull) return false;
    // Nothing may be under way once another process owns the outbox.
    if (performance.now() + this.parts.options.limits.budgetAloneMs > this.parts.ownedUntilMs()) return false;
    return this.parts.destinations.mayCall(destination);
  }

  private queueOf(from: RowPlace): MessageQueue {
    return from === "outbox" ? this.parts.hot : this.parts.beside;
  }

  private async send(from: RowPlace, destination: string, taken: readonly Taken[]): Promise<void> {
    const { limits } = this.parts.options;
    const isAlone = taken.length === 1 && (from === "outbox_held" || this.parts.hot.isAlone(taken[0]?.key ?? ""));
    this.parts.destinations.begin(destination);
    let isReached = true;
    try {
      if (from === "outbox_held" || this.isBehind) await this.coalesce(from, taken);
      const budgetMs = isAlone ? limits.budgetAloneMs : limits.budgetMs;
      const delivery = { from, destination, taken, budgetMs, signal: this.parts.ended };
      const verdicts = await withSiloContext(this.parts.options.context, () =>
        deliverOnce(this.parts.options, delivery),
      );
      await Promise.all(taken.map((stream, index) => this.settle(from, stream, verdicts[index] ?? [])));
    } catch (error) {
      if (this.parts.ended.aborted) return;
      if (error instanceof DestinationAwayError) isReached = false;
      await this.recover(from, taken, error).catch((failure: unknown) => this.parts.end(failure));
    } finally {
      this.note(destination, isReached);
    }
  }

  private async coalesce(from: RowPlace, taken: readonly Taken[]): Promise<void> {
    for (const row of await coalesceWithTable(this.parts.options.store, this.queueOf(from), { from, taken })) {
      if (row.place !== "outbox") continue;
      this.claimed.add(row.id);
      // Whatever comes of the delivery: from now on the row is where its stream is.
      if (from === "outbox_held") this.parts.holding.follow(row.stream, row.key, [row.id]);
    }
  }

  private note(destination: string, isReached: boolean): void {
    const change = this.parts.destinations.end(destination, isReached);
    if (change === "back") this.parts.held.wakeDestination(destination);
    if (change !== undefined) this.parts.options.onDestination(destination, change);
  }

  /** What came of one stream's messages: those that were delivered are deleted, the first that was not decides. */
  private async settle(from: RowPlace, taken: Taken, verdicts: readonly Verdict[]): Promise<void> {
    const { key, stream, groups } = taken;
    const queue = this.queueOf(from);
    const failedAt = verdicts.findIndex((verdict) => verdict.kind !== "delivered");
    const done = failedAt === -1 ? groups.length : failedAt;
    const delivered = groups.slice(0, done);
    for (const group of delivered) this.parts.options.onGroup(stream, group);
    // First of all: an older parked state that outlived the rows of the newer one could be tried again after it.
    if (this.hasParked && delivered.length > 0) {
      await this.parts.options.store.unpark(
        this.parts.options.fence,
        delivered.map((group) => ({ ...stream, ...group })),
      );
    }
    if (delivered.length > 0)
      this.parts.acknowledgements.add(
        from,
        delivered.flatMap((group) => group.ids),
      );
    queue.settle(key, done);
    if (delivered.length > 0) queue.setAlone(key, false);
    const verdict = verdicts[failedAt];
    const group = groups[failedAt];
    if (verdict === undefined || group === undefined) {
      if (from === "outbox_held" && !queue.has(key)) await this.parts.holding.unload(key);
      return;
    }
    if (verdict.kind === "skipped") return;
    if (verdict.kind === "unfinished" && done > 0) {
      // It gets on, only not all within one call's time.
      queue.setAlone(key, true);
      return;
    }
    const error = verdict.kind === "failed" ? verdict.error : "UNFINISHED: it takes too long";
    this.parts.options.onFailed(stream, group, error);
    if (verdict.kind === "failed") await this.parts.holding.fail(key, stream, group, error);
    else await this.parts.holding.slow(key, stream, group);
  }

  /** A whole call failed. Whoever is to blame is found by sending each stream, then each message, alone. */
  private async recover(from: RowPlace, taken: readonly Taken[], error: unknown): Promise<void> {
    const queue = this.queueOf(from);
    if (error instanceof DestinationAwayError || this.parts.options.isSessionError(error)) {
      for (const { key } of taken) queue.settle(key, 0);
      if (!(error instanceof DestinationAwayError)) throw error;
      this.parts.options.onPutOff(
        taken.flatMap((stream) => stream.groups),
        error.message,
      );
      return;
    }
    const [only] = taken;
    const [group] = only?.groups ?? [];
    if (taken.length === 1 && only?.groups.length === 1 && group !== undefined) {
      await this.settle(from, only, [{ kind: "failed", error: this.parts.options.describeError(error) }]);
      return;
    }
    for (const { key } of taken) {
      queue.settle(key, 0);
      queue.setAlone(key, true);
    }
  }
}
