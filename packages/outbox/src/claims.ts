/** More are not claimed. */
const CLAIMS_MAX = 300_000;
/** Below this many it is not worth looking for those that are over while the reader is far behind. */
const TIDY_MIN = 100_000;

/** Rows that are dealt with before the reader comes to them: it must not begin with them again. */
export class Claims {
  /** With the reading that was under way, or over, when each was claimed. */
  private readonly claimed = new Map<string, number>();
  private reading = 0;

  /** Whether no more should be claimed. */
  get isFull(): boolean {
    return this.claimed.size >= CLAIMS_MAX;
  }

  add(id: string): void {
    // At the end, so that they stand in the order of their readings.
    this.claimed.delete(id);
    this.claimed.set(id, this.reading);
  }

  /** The reader begins to read. */
  beginReading(): void {
    this.reading += 1;
  }

  /** Whether a row that was read is claimed; it is read only once. */
  take(id: string): boolean {
    return this.claimed.delete(id);
  }

  /**
   * The reader has sorted what it has read: `isAtEnd` when that was all that there was, else all up to `lastId`. What was
   * claimed before it began, and is not among that, was deleted before it came there.
   */
  endReading(isAtEnd: boolean, lastId: string | undefined): void {
    if (!isAtEnd && (lastId === undefined || this.claimed.size < TIDY_MIN)) return;
    const last = BigInt(lastId ?? 0);
    for (const [id, reading] of this.claimed) {
      if (reading >= this.reading) break;
      if (isAtEnd || BigInt(id) <= last) this.claimed.delete(id);
    }
  }
}
