/** What was delivered, and whether it came as promised. */
export class Ledger {
  deliveries = 0;
  /** Messages that came after a later one of their shard. */
  inversions = 0;
  /** Messages that came twice in a row. */
  duplicates = 0;
  private readonly newest = new Map<string, number>();
  private target = Number.POSITIVE_INFINITY;
  private reached: () => void = () => {};

  /** A message was handled. `place` grows within its shard. */
  take(shard: string, place: number): void {
    const newest = this.newest.get(shard) ?? -1;
    if (place > newest) this.newest.set(shard, place);
    else if (place === newest) this.duplicates += 1;
    else this.inversions += 1;
    this.deliveries += 1;
    if (this.deliveries === this.target) this.reached();
  }

  /** Resolves once so many were delivered, or after `capMs`; answers whether they were. */
  async until(count: number, capMs: number): Promise<boolean> {
    if (this.deliveries >= count) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.target = count;
      this.reached = resolve;
      timer = setTimeout(resolve, capMs);
    });
    clearTimeout(timer);
    this.target = Number.POSITIVE_INFINITY;
    return this.deliveries >= count;
  }
}

/** @throws when our own figure would hide a broken promise. */
export function assertClean(what: string, ledger: Ledger, expected: number, left: number): void {
  const { deliveries, inversions, duplicates } = ledger;
  if (inversions === 0 && duplicates === 0 && left === 0 && deliveries === expected) return;
  throw new Error(
    `${what}: ${deliveries} of ${expected} deliveries, ${inversions} out of order, ${duplicates} twice, ${left} rows left`,
  );
}

/** The value below which `share` of the values lie. */
export function percentile(values: readonly number[] | Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Milliseconds on a clock that all threads share. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Waits until the condition holds. @throws after `timeoutMs`. */
export async function eventually(condition: () => Promise<boolean>, timeoutMs: number, what: string): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The CPU that this process uses from now on, in microseconds: it says what a busy machine hides. */
export function startCpuClock(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
}
