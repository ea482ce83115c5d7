import type { OutboxLimits } from "./limits.js";
import type { RowPlace } from "./message.js";

interface Destination {
  calls: number;
  /** Those of them that carry messages of held streams. */
  heldCalls: number;
  /** Failures in a row to reach it; 0 while it answers. */
  failures: number;
  awayUntilMs: number;
}

/** Which silos can be asked now, and how many calls to each are under way. */
export class Destinations {
  private readonly known = new Map<string, Destination>();

  /** @param now - a clock in milliseconds that never goes back. */
  constructor(
    private readonly limits: OutboxLimits,
    private readonly now: () => number,
  ) {}

  /**
   * Whether a call may be made: there are few enough, and it is not left alone. One that was away gets one at a time. Held
   * streams, which may hang, never get all calls.
   */
  mayCall(name: string, from: RowPlace): boolean {
    const known = this.known.get(name);
    if (known === undefined) return true;
    if (known.failures > 0) return known.calls === 0 && known.awayUntilMs <= this.now();
    if (from === "outbox_held" && known.heldCalls >= Math.max(1, this.limits.callsMax / 2)) return false;
    return known.calls < this.limits.callsMax;
  }

  /** Whether it could not be reached last time. */
  isAway(name: string): boolean {
    return (this.known.get(name)?.failures ?? 0) > 0;
  }

  /** Whether it is left alone now. */
  isLeftAlone(name: string): boolean {
    const known = this.known.get(name);
    return known !== undefined && known.failures > 0 && (known.calls > 0 || known.awayUntilMs > this.now());
  }

  begin(name: string, from: RowPlace): void {
    const known = this.open(name);
    known.calls += 1;
    if (from === "outbox_held") known.heldCalls += 1;
  }

  /** @returns whether this ended an absence, or began one. */
  end(name: string, from: RowPlace, isReached: boolean): "back" | "gone" | undefined {
    const known = this.open(name);
    known.calls -= 1;
    if (from === "outbox_held") known.heldCalls -= 1;
    const wasAway = known.failures > 0;
    if (isReached) {
      known.failures = 0;
      return wasAway ? "back" : undefined;
    }
    known.failures += 1;
    const pauseMs = Math.min(50 * 2 ** Math.min(known.failures, 16), this.limits.awayMaxMs);
    known.awayUntilMs = this.now() + pauseMs * (0.5 + Math.random() / 2);
    return wasAway ? undefined : "gone";
  }

  private open(name: string): Destination {
    let known = this.known.get(name);
    if (known === undefined) {
      known = { calls: 0, heldCalls: 0, failures: 0, awayUntilMs: 0 };
      this.known.set(name, known);
    }
    return known;
  }
}
