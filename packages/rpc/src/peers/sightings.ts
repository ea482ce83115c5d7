import type { ContractIdentity } from "../headers.js";
import type { ContractIndex } from "./contract-index.js";

/** A contract that processes of one silo have lately said that they serve. */
export interface Sighting extends ContractIdentity {
  /** Of whichever process said it last. */
  version: string;
  /** By `performance.now()`. */
  seenAtMs: number;
  /** What it has, once that is known. */
  index: ContractIndex | undefined;
  /**
   * Methods for which its server had no path, and when, by `performance.now()`. Counts while the index is not known, and for
   * the window: where nobody says what is served, it may have been something on the way.
   */
  readonly missing: Map<string, number>;
}

/** The processes of releases up to 0.1.0, which do not say what they serve. */
export const SILENT: ContractIdentity = { version: "0.1.0 or before", digest: "" };

/**
 * What the processes of one silo have lately said that they serve. During a rolling restart old and new ones answer by
 * turns, so that there may be several; one that was not seen for the window is forgotten.
 */
export class Sightings {
  private all: Sighting[] = [];

  constructor(
    private readonly windowMs: number,
    private readonly max: number,
  ) {}

  /** The contract was seen now. Of more than the limit, the one that was not seen for longest goes. */
  see(identity: ContractIdentity): Sighting {
    const nowMs = performance.now();
    const known = this.all.find(({ digest }) => digest === identity.digest);
    if (known !== undefined) {
      known.seenAtMs = nowMs;
      known.version = identity.version;
      return known;
    }
    const kept = this.recent().toSorted((a, b) => b.seenAtMs - a.seenAtMs);
    const sighting = { ...identity, seenAtMs: nowMs, index: undefined, missing: new Map<string, number>() };
    this.all = [sighting, ...kept.slice(0, this.max - 1)];
    return sighting;
  }

  /** Those of the window. */
  recent(): readonly Sighting[] {
    const { all } = this;
    const sinceMs = performance.now() - this.windowMs;
    return all.every(({ seenAtMs }) => seenAtMs > sinceMs) ? all : all.filter(({ seenAtMs }) => seenAtMs > sinceMs);
  }

  /** Whether a contract has a method, and a field of its request; undefined while that is not known. */
  has({ index, missing }: Sighting, path: string, numbers: readonly number[] = []): boolean | undefined {
    if (index !== undefined) return index.hasMethod(path) && (numbers.length === 0 || index.hasField(path, numbers));
    const missedAtMs = missing.get(path);
    return missedAtMs !== undefined && missedAtMs > performance.now() - this.windowMs ? false : undefined;
  }
}
