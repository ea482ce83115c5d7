/** How often the wheel turns: a deadline inside the process is kept to this. */
const TICK_MS = 20;

/** Something that waits and can be told that it has waited long enough. */
export interface Waiting {
  onDeadline(): void;
}

/**
 * Deadlines for many short waits at the price of a set insertion each: one timer for all, running only while
 * something waits.
 */
export class DeadlineWheel {
  private readonly slots = new Map<number, Set<Waiting>>();
  private timer: NodeJS.Timeout | undefined;
  private turnedTo = 0;

  /** Calls `waiting.onDeadline()` at `deadlineAtMs`, or up to 20 ms later, unless the returned slot is given up first. */
  add(deadlineAtMs: number, waiting: Waiting): Set<Waiting> {
    const tick = Math.ceil(deadlineAtMs / TICK_MS);
    let slot = this.slots.get(tick);
    if (slot === undefined) {
      slot = new Set();
      this.slots.set(tick, slot);
    }
    slot.add(waiting);
    this.timer ??= this.start();
    return slot;
  }

  private start(): NodeJS.Timeout {
    const timer = setInterval(() => this.turn(), TICK_MS);
    timer.unref();
    return timer;
  }

  private turn(): void {
    const now = Math.floor(Date.now() / TICK_MS);
    if (now === this.turnedTo) return;
    this.turnedTo = now;
    for (const [tick, slot] of this.slots) {
      if (slot.size === 0 || tick <= now) {
        this.slots.delete(tick);
        for (const waiting of slot) waiting.onDeadline();
      }
    }
    if (this.slots.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
  }
}
