/** Keys that were added lately: each for `ttlMs`, at most `countMax` of them. The oldest go first. */
export class RecentKeys {
  private readonly untilMs = new Map<string, number>();

  constructor(
    private readonly ttlMs: number,
    private readonly countMax: number,
    private readonly now: () => number,
  ) {}

  has(key: string): boolean {
    return (this.untilMs.get(key) ?? 0) > this.now();
  }

  add(key: string): void {
    this.untilMs.delete(key);
    this.untilMs.set(key, this.now() + this.ttlMs);
    if (this.untilMs.size > this.countMax) this.untilMs.delete(this.untilMs.keys().next().value ?? "");
  }
}
