/** Whether a cell keeps as much as it may: the sum is read now and then, and what this process adds is counted between. */
export class StorageBound {
  private storedBytes = 0;
  private measuredAtMs = Number.NEGATIVE_INFINITY;
  private measuring: Promise<void> | undefined;

  constructor(
    private readonly options: {
      readonly maxBytes: number;
      readonly intervalMs: number;
      readonly sum: () => Promise<number>;
      readonly now: () => number;
    },
  ) {}

  /** Bytes that are kept, as far as this process knows. */
  get bytes(): number {
    return this.storedBytes;
  }

  /** Rejects when the sum is too old and cannot be read. */
  async isFull(): Promise<boolean> {
    const { maxBytes, intervalMs, now } = this.options;
    if (now() - this.measuredAtMs >= intervalMs) {
      this.measuring ??= this.measure().finally(() => {
        this.measuring = undefined;
      });
      await this.measuring;
    }
    return this.storedBytes >= maxBytes;
  }

  add(bytes: number): void {
    this.storedBytes += bytes;
  }

  private async measure(): Promise<void> {
    this.storedBytes = await this.options.sum();
    this.measuredAtMs = this.options.now();
  }
}
