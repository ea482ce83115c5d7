/** What is remembered of keys that lead nowhere. */
interface Absence<Finding> {
  readonly finding: Finding;
  readonly untilMs: number;
}

/**
 * Keys that lead nowhere, for a short time and at most so many: whoever tries names must not reach control with each of
 * them. A key that is routed after all is forgotten here at once.
 */
export class AbsenceMemory<Finding> {
  private readonly absences = new Map<string, Absence<Finding>>();

  constructor(
    private readonly options: {
      /** How long one is remembered, in milliseconds; 0 is not at all. */
      readonly ttlMs: number;
      /** The most that are remembered. */
      readonly countMax: number;
      readonly now: () => number;
    },
  ) {}

  get count(): number {
    return this.absences.size;
  }

  /** What is remembered of a key; undefined when that is nothing, or too old. */
  find(key: string): Finding | undefined {
    const absence = this.absences.get(key);
    if (absence === undefined) return undefined;
    if (absence.untilMs > this.options.now()) return absence.finding;
    this.absences.delete(key);
    return undefined;
  }

  /** Remembers a key; the oldest one goes when there are too many. */
  remember(key: string, finding: Finding): void {
    const { ttlMs, countMax, now } = this.options;
    if (ttlMs <= 0) return;
    this.absences.delete(key);
    this.absences.set(key, { finding, untilMs: now() + ttlMs });
    if (this.absences.size <= countMax) return;
    for (const oldest of this.absences.keys()) {
      this.absences.delete(oldest);
      break;
    }
  }

  forget(key: string): void {
    if (this.absences.size > 0) this.absences.delete(key);
  }
}
