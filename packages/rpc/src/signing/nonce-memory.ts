/** Remembers nonces for as long as a signature with them could still be accepted. */
export interface NonceMemory {
  /**
   * Remembers `nonce` of `caller`. `replayed`: it is known already. `full`: there is no room to remember it, for this
   * caller or for anybody, so it must be refused.
   */
  add(nonce: string, caller: string): "fresh" | "replayed" | "full";
  /** How many are remembered now. */
  readonly size: number;
}

/** What came within one eighth of the window, and is forgotten together. */
interface Generation {
  readonly startMs: number;
  readonly nonces: Set<string>;
  readonly countByCaller: Map<string, number>;
}

const GENERATIONS_PER_WINDOW = 8;
const TELL_INTERVAL_MS = 1_000;

/**
 * A bounded memory in generations: a nonce is kept for at least `windowMs` and at most 9/8 of that, and forgetting a
 * whole generation costs nothing per nonce. One caller gets half of it at most, so that none can fill it for all.
 *
 * @param options.windowMs - how long a nonce must be remembered: the whole width of the accepted clock window.
 * @param options.nonceMax - the greatest number remembered. Default 2,000,000 (about 200 MB).
 * @param options.onSize - told how many are remembered, at most once a second while nonces come.
 */
export function createNonceMemory(options: {
  windowMs: number;
  nonceMax?: number;
  onSize?: (size: number) => void;
  now?: () => number;
}): NonceMemory {
  const now = options.now ?? Date.now;
  const nonceMax = options.nonceMax ?? 2_000_000;
  const callerMax = Math.ceil(nonceMax / 2);
  const stepMs = options.windowMs / GENERATIONS_PER_WINDOW;
  /** Oldest first. */
  const generations: Generation[] = [];
  const countByCaller = new Map<string, number>();
  let size = 0;
  let tellAtMs = Number.NEGATIVE_INFINITY;

  function forgetOld(atMs: number): void {
    for (let [oldest] = generations; oldest !== undefined; [oldest] = generations) {
      if (atMs < oldest.startMs + stepMs + options.windowMs) return;
      generations.shift();
      size -= oldest.nonces.size;
      for (const [caller, count] of oldest.countByCaller) addTo(countByCaller, caller, -count);
    }
  }
  function currentAt(atMs: number): Generation {
    const last = generations.at(-1);
    if (last !== undefined && atMs < last.startMs + stepMs) return last;
    const next: Generation = { startMs: atMs, nonces: new Set(), countByCaller: new Map() };
    generations.push(next);
    return next;
  }
  function remember(nonce: string, caller: string, atMs: number): "fresh" | "replayed" | "full" {
    if (generations.some(({ nonces }) => nonces.has(nonce))) return "replayed";
    if (size >= nonceMax || (countByCaller.get(caller) ?? 0) >= callerMax) return "full";
    const current = currentAt(atMs);
    current.nonces.add(nonce);
    addTo(current.countByCaller, caller, 1);
    addTo(countByCaller, caller, 1);
    size += 1;
    return "fresh";
  }
  return {
    add(nonce, caller) {
      const atMs = now();
      forgetOld(atMs);
      const outcome = remember(nonce, caller, atMs);
      if (atMs >= tellAtMs) {
        tellAtMs = atMs + TELL_INTERVAL_MS;
        options.onSize?.(size);
      }
      return outcome;
    },
    get size() {
      forgetOld(now());
      return size;
    },
  };
}

function addTo(counts: Map<string, number>, caller: string, more: number): void {
  const count = (counts.get(caller) ?? 0) + more;
  if (count === 0) counts.delete(caller);
  else counts.set(caller, count);
}
