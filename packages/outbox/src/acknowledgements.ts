import type { RowPlace } from "./message.js";
import type { Fence, OutboxStore } from "./store.js";

/** Rows that may wait for their deletion; beyond it nothing new is sent. */
const WAITING_MAX = 20_000;
/** Rows that one statement deletes. */
const BATCH_MAX = 5_000;

/** Deletes what was delivered, many rows at a time: while one statement runs, the next ones gather. */
export class Acknowledgements {
  private waiting: { readonly from: RowPlace; readonly ids: readonly string[] }[] = [];
  private running: Promise<void> | undefined;
  private added = 0;
  private done = 0;
  private barriers: {
    readonly target: number;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  private failure: { readonly error: unknown } | undefined;

  /**
   * @param on.deleted - told of rows whose deletion is committed.
   * @param on.error - told once, when a statement failed; nothing is deleted after it.
   */
  constructor(
    private readonly store: OutboxStore,
    private readonly fence: Fence,
    private readonly on: { deleted(ids: readonly string[]): void; error(error: unknown): void },
  ) {}

  /** Whether too many wait. */
  get isFull(): boolean {
    return this.added - this.done > WAITING_MAX;
  }

  add(from: RowPlace, ids: readonly string[]): void {
    this.waiting.push({ from, ids });
    this.added += ids.length;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
  }

  /** Resolves once everything that was added before is deleted; rejects once a statement has failed. */
  barrier(): Promise<void> {
    const target = this.added;
    if (this.done >= target) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.failure === undefined) this.barriers.push({ target, resolve, reject });
      else reject(this.failure.error);
    });
  }

  /** Resolves once no statement is under way and none will be, unless something is added. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      for (;;) {
        // A turn of the event loop: deliveries that end together are deleted together.
        await new Promise((resolve) => setImmediate(resolve));
        const from = this.waiting[0]?.from;
        if (from === undefined) return;
        const ids = this.takeFirst(from);
        await this.store.deleteRows(this.fence, from, ids);
        this.done += ids.length;
        this.on.deleted(ids);
        this.passBarriers();
      }
    } catch (error) {
      this.failure = { error };
      this.on.error(error);
      for (const { reject } of this.barriers.splice(0)) reject(error);
    }
  }

  private takeFirst(from: RowPlace): string[] {
    const ids: string[] = [];
    let count = 0;
    for (const entry of this.waiting) {
      if (entry.from !== from || ids.length >= BATCH_MAX) break;
      for (const id of entry.ids) ids.push(id);
      count += 1;
    }
    this.waiting = this.waiting.slice(count);
    return ids;
  }

  private passBarriers(): void {
    const { barriers } = this;
    this.barriers = barriers.filter(({ target }) => target > this.done);
    for (const { target, resolve } of barriers) if (target <= this.done) resolve();
  }
}
