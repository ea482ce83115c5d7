import { withSiloContext } from "@cellway/silo";
import type { Acknowledgements } from "./acknowledgements.js";
import type { Claims } from "./claims.js";
import { CallFailedError, coalesceWithTable, deliverOnce } from "./delivery.js";
import type { Destinations } from "./destinations.js";
import type { HeldStreams } from "./held-streams.js";
import type { Holding } from "./holding.js";
import { DestinationAwayError, type RowPlace, type Verdict } from "./message.js";
import type { MessageQueue, Taken } from "./message-queue.js";
import type { Parked } from "./parked.js";
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
  readonly parked: Parked;
  readonly claims: Claims;
  /** Until when this process surely owns the outbox, on the monotonic clock. */
  readonly ownedUntilMs: () => number;
  readonly ended: AbortSignal;
  readonly end: (failure: unknown) => void;
}

/** Sends what is in memory: to each destination as much at once as it may have, each stream in order. */
export class Sender {
  private readonly calls = new Set<Promise<void>>();
  /** Which rows each destination was sent last: those that flow and those that are held take turns. */
  private readonly turns = new Map<string, RowPlace>();
  /** Whether the table may hold rows that were not read yet. */
  isBehind = false;

  constructor(private readonly parts: SenderParts) {}

  /** Resolves once no call is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.calls);
  }

  /** Sends whatever can be sent now. */
  dispatch(): void {
    const { hot, beside } = this.parts;
    for (const destination of new Set([...hot.readyDestinations(), ...beside.readyDestinations()])) {
      this.dispatchTo(destination);
    }
  }

  private dispatchTo(destination: string): void {
    for (;;) {
      const from = this.chooseQueue(destination);
      if (from === undefined) return;
      const taken = this.queueOf(from).take(destination, this.parts.options.limits);
      if (taken.length === 0) return;
      this.turns.set(destination, from);
      const call = this.send(from, destination, taken).finally(() => {
        this.calls.delete(call);
        if (!this.parts.ended.aborted) this.dispatchTo(destination);
      });
      this.calls.add(call);
    }
  }

  private chooseQueue(destination: string): RowPlace | undefined {
    const { destinations, acknowledgements, ended } = this.parts;
    if (ended.aborted || acknowledgements.isFull) return undefined;
    // Nothing may be under way once another process owns the outbox.
    if (performance.now() + this.parts.options.limits.budgetAloneMs > this.parts.ownedUntilMs()) return undefined;
    const other = this.turns.get(destination) === "outbox" ? "outbox_held" : "outbox";
    for (const from of [other, other === "outbox" ? "outbox_held" : "outbox"] as const) {
      if (this.queueOf(from).isReady(destination) && destinations.mayCall(destination, from)) return from;
    }
    return undefined;
  }

  private queueOf(from: RowPlace): MessageQueue {
    return from === "outbox" ? this.parts.hot : this.parts.beside;
  }

  private async send(from: RowPlace, destination: string, taken: readonly Taken[]): Promise<void> {
    this.parts.destinations.begin(destination, from);
    let isReached = true;
    try {
      const verdicts = await this.deliver(from, destination, taken);
      await this.settleAll(from, taken, verdicts);
    } catch (error) {
      if (this.parts.ended.aborted) return;
      if (error instanceof DestinationAwayError) isReached = false;
      await this.recover(from, taken, error).catch((failure: unknown) => this.parts.end(failure));
    } finally {
      this.note(destination, from, isReached);
    }
  }

  private async deliver(from: RowPlace, destination: string, taken: readonly Taken[]): Promise<readonly Verdict[][]> {
    const { options, hot, claims, ended } = this.parts;
    const { limits } = options;
    const isAlone = taken.length === 1 && (from === "outbox_held" || hot.isAlone(taken[0]?.key ?? ""));
    // Beyond that only what is in memory coalesces.
    if (!claims.isFull && (from === "outbox_held" || this.isBehind)) await this.coalesce(from, taken);
    const budgetMs = isAlone ? limits.budgetAloneMs : limits.budgetMs;
    return withSiloContext(options.context, () =>
      deliverOnce(options, { from, destination, taken, budgetMs, signal: ended }),
    );
  }

  private async coalesce(from: RowPlace, taken: readonly Taken[]): Promise<void> {
    for (const row of await coalesceWithTable(this.parts.options.store, this.queueOf(from), { from, taken })) {
      if (row.place !== "outbox") continue;
      this.parts.claims.add(row.id);
      // Whatever comes of the delivery: from now on the row is where its stream is.
      if (from === "outbox_held") this.parts.holding.follow(row.stream, row.key, [row.id]);
    }
  }

  private note(destination: string, from: RowPlace, isReached: boolean): void {
    const change = this.parts.destinations.end(destination, from, isReached);
    if (change === "back") this.parts.held.wakeDestination(destination);
    if (change !== undefined) this.parts.options.onDestination(destination, change);
  }

  private async settleAll(from: RowPlace, taken: readonly Taken[], verdicts: readonly Verdict[][]): Promise<void> {
    const done = taken.map((_, index) => countDelivered(verdicts[index] ?? []));
    const delivered = taken.flatMap(({ stream, groups }, index) =>
      groups.slice(0, done[index]).map((group) => ({ stream, group })),
    );
    // Before the rows are gone, so that it is done again if this process ends here.
    await this.parts.parked.replace(delivered);
    for (const { stream, group } of delivered) this.parts.options.onGroup(stream, group);
    const ids = delivered.flatMap(({ group }) => group.ids);
    if (ids.length > 0) this.parts.acknowledgements.add(from, ids);
    await Promise.all(taken.map((own, index) => this.settle(from, own, done[index] ?? 0, verdicts[index] ?? [])));
  }

  /** What came of one stream's messages: the first that was not delivered decides. */
  private async settle(from: RowPlace, taken: Taken, done: number, verdicts: readonly Verdict[]): Promise<void> {
    const { key, stream, groups } = taken;
    const { holding, options } = this.parts;
    const queue = this.queueOf(from);
    queue.settle(key, done);
    if (done > 0) queue.setAlone(key, false);
    const verdict = verdicts[done];
    const group = groups[done];
    if (verdict === undefined || group === undefined || verdict.kind === "skipped") {
      if (!queue.has(key)) return from === "outbox_held" ? holding.unload(key) : undefined;
      if (from === "outbox" && holding.isPaused(stream)) holding.pause(key, stream);
      return;
    }
    if (verdict.kind === "unfinished" && done > 0) {
      // It gets on, only not all within one call's time.
      queue.setAlone(key, true);
      return;
    }
    const error = verdict.kind === "failed" ? verdict.error : "UNFINISHED: it takes too long";
    options.onFailed(stream, group, error);
    if (verdict.kind === "failed") await holding.fail(key, stream, group, error);
    else await holding.slow(key, stream, group);
  }

  /** A whole call failed. Whoever is to blame is found by sending each stream, then each message, alone. */
  private async recover(from: RowPlace, taken: readonly Taken[], error: unknown): Promise<void> {
    const queue = this.queueOf(from);
    if (error instanceof DestinationAwayError) {
      for (const { key } of taken) queue.settle(key, 0);
      this.parts.options.onPutOff(
        taken.flatMap((stream) => stream.groups),
        error.message,
      );
      return;
    }
    if (!(error instanceof CallFailedError)) throw error;
    const [only] = taken;
    if (taken.length === 1 && only?.groups.length === 1) {
      await this.settle(from, only, 0, [{ kind: "failed", error: error.why }]);
      return;
    }
    for (const { key } of taken) {
      queue.settle(key, 0);
      queue.setAlone(key, true);
    }
  }
}

function countDelivered(verdicts: readonly Verdict[]): number {
  const failedAt = verdicts.findIndex((verdict) => verdict.kind !== "delivered");
  return failedAt === -1 ? verdicts.length : failedAt;
}
