const CAPACITY_MIN = 16;
/** Share of the places that may be taken. With linear probing a look-up then tries about two. */
const LOAD_MAX = 0.7;

/**
 * Finds the place of a record by a hash of its key: open addressing, linear probing, eight bytes a place. Holds hashes
 * and places only; whoever looks something up compares the key itself, by walking {@link cells} from its hash on.
 */
export class SlotIndex {
  /** Pairs: the place, 0 for none, and the hash. Pair `n` is at `2 * n`. */
  cells = new Int32Array(2 * CAPACITY_MIN);
  /** Number of pairs less one; the number is a power of two. */
  mask = CAPACITY_MIN - 1;
  private count = 0;

  /** Adds a place. Its key must not be there yet. */
  add(hash: number, place: number): void {
    if (this.count + 1 > (this.mask + 1) * LOAD_MAX) this.resize(2 * (this.mask + 1));
    this.count += 1;
    this.put(hash, place);
  }

  /** Makes room for so many places more. */
  reserve(count: number): void {
    let capacity = this.mask + 1;
    while (this.count + count > capacity * LOAD_MAX) capacity *= 2;
    if (capacity > this.mask + 1) this.resize(capacity);
  }

  /** Takes a place out, and moves up those that had to give way to it, so that no mark is left behind. */
  remove(hash: number, place: number): void {
    const { cells, mask } = this;
    let hole = hash & mask;
    while (cells[2 * hole] !== place) {
      if (cells[2 * hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    this.count -= 1;
    for (let next = (hole + 1) & mask; cells[2 * next] !== 0; next = (next + 1) & mask) {
      const home = (cells[2 * next + 1] as number) & mask;
      // It may move to the hole unless its home lies behind the hole, on the way to where it is.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      cells[2 * hole] = cells[2 * next] as number;
      cells[2 * hole + 1] = cells[2 * next + 1] as number;
      hole = next;
    }
    cells[2 * hole] = 0;
  }

  /** Bytes that it takes. */
  get bytes(): number {
    return this.cells.byteLength;
  }

  private put(hash: number, place: number): void {
    const { cells, mask } = this;
    let at = hash & mask;
    while (cells[2 * at] !== 0) at = (at + 1) & mask;
    cells[2 * at] = place;
    cells[2 * at + 1] = hash;
  }

  private resize(capacity: number): void {
    const old = this.cells;
    this.cells = new Int32Array(2 * capacity);
    this.mask = capacity - 1;
    for (let at = 0; at < old.length; at += 2) {
      const place = old[at] as number;
      if (place !== 0) this.put(old[at + 1] as number, place);
    }
  }
}
