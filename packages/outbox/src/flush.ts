import type { OutboxStore } from "./store.js";

/** How often rows are looked for that another process delivers. */
const POLL_MS = 25;

/** What was changed is committed, but not delivered yet; it will be. */
export class OutboxFlushError extends Error {
  override readonly name = "OutboxFlushError";
  /** Always: nothing is lost, and nothing has to be done again. */
  readonly isCommitted = true;

  /** @param why - the error of the delivery, or that there was no time for it. */
  constructor(readonly why: string) {
    super(`The change is committed; telling others of it is not done yet and goes on by itself (${why}).`);
  }
}

interface Waiter {
  readonly left: Set<string>;
  readonly done: (why?: string) => void;
}

/** Those who wait until rows are delivered. */
export class FlushWaiters {
  private readonly byId = new Map<string, Set<Waiter>>();

  constructor(private readonly store: OutboxStore) {}

  /**
   * Resolves once all these rows are delivered, by whichever process.
   *
   * @throws OutboxFlushError when one of them failed, or after `timeoutMs`.
   */
  async wait(ids: readonly string[], timeoutMs: number): Promise<void> {
    if (ids.length === 0) return;
    let poll: NodeJS.Timeout | undefined;
    let timer: NodeJS.Timeout | undefined;
    const waiter: { current?: Waiter } = {};
    try {
      await new Promise<void>((resolve, reject) => {
        const done = (why?: string) => (why === undefined ? resolve() : reject(new OutboxFlushError(why)));
        waiter.current = this.register(ids, done);
        timer = setTimeout(() => done("there was no more time"), timeoutMs);
        poll = setInterval(() => {
          this.look(waiter.current as Waiter).catch(() => undefined);
        }, POLL_MS);
      });
    } finally {
      clearInterval(poll);
      clearTimeout(timer);
      if (waiter.current !== undefined) this.forget(ids, waiter.current);
    }
  }

  /** Rows that are delivered: their deletion is committed. */
  delivered(ids: readonly string[]): void {
    if (this.byId.size === 0) return;
    for (const id of ids) {
      for (const waiter of this.byId.get(id) ?? []) {
        waiter.left.delete(id);
        if (waiter.left.size === 0) waiter.done();
      }
    }
  }

  /** Rows whose delivery failed for now. */
  failed(ids: readonly string[], why: string): void {
    if (this.byId.size === 0) return;
    for (const id of ids) for (const waiter of this.byId.get(id) ?? []) waiter.done(why);
  }

  private async look(waiter: Waiter): Promise<void> {
    const left = await this.store.findUndelivered([...waiter.left]);
    const failure = left.find((row) => row.error !== null);
    if (failure !== undefined) waiter.done(failure.error ?? "");
    else if (left.length === 0) waiter.done();
  }

  private register(ids: readonly string[], done: Waiter["done"]): Waiter {
    const waiter = { left: new Set(ids), done };
    for (const id of ids) {
      const waiters = this.byId.get(id);
      if (waiters === undefined) this.byId.set(id, new Set([waiter]));
      else waiters.add(waiter);
    }
    return waiter;
  }

  private forget(ids: readonly string[], waiter: Waiter): void {
    for (const id of ids) {
      const waiters = this.byId.get(id);
      waiters?.delete(waiter);
      if (waiters?.size === 0) this.byId.delete(id);
    }
  }
}
