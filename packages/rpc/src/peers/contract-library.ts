import { detachFromCall } from "../context.js";
import type { Destination } from "../resolver.js";
import type { RpcLimits } from "../settings.js";
import { type ContractIndex, readContract } from "./contract-index.js";

/** What a process says of itself. */
export interface PeerDescription {
  readonly digest: string;
  /** A serialized contract; empty when its digest was among the known ones. */
  readonly contract: Uint8Array;
}

/** Asks a silo what the process that answers serves, within the limit of time. */
export type Describe = (destination: Destination, knownDigests: readonly string[]) => Promise<PeerDescription>;

/** How asking one silo goes. */
interface Asking {
  /** Does not fail. */
  running: Promise<void> | undefined;
  failures: number;
  /** By `performance.now()`. */
  retryAtMs: number;
}

/**
 * The contracts of peers, by digest. Each is fetched once for all silos that have it: a digest is a hash of what was
 * fetched, so that it does not matter who told. A silo is asked by one call at a time, and after a failure left alone for
 * longer and longer.
 */
export class ContractLibrary {
  /** In the order of their use, the last used at the end. */
  private readonly contracts = new Map<string, ContractIndex>();
  private readonly askings = new Map<string, Asking>();
  /** Digests that some silo is being asked for. */
  private readonly wanted = new Map<string, Promise<void>>();

  constructor(
    private readonly limits: RpcLimits,
    private readonly describe: Describe,
  ) {}

  /** The contract of a digest, once it is known. */
  find(digest: string): ContractIndex | undefined {
    const found = this.contracts.get(digest);
    if (found !== undefined) {
      this.contracts.delete(digest);
      this.contracts.set(digest, found);
    }
    return found;
  }

  /**
   * Asks a silo what it serves, or joins who asks already. The answer counts as seen, as every answer does.
   *
   * @param digest - what is to become known by it. Unset: whatever it says.
   * @returns What settles when it has answered, or failed to; undefined while the silo is left alone.
   */
  ask(destination: Destination, digest?: string): Promise<void> | undefined {
    const asking = this.askingOf(destination.silo);
    const running = asking.running ?? (digest === undefined ? undefined : this.wanted.get(digest));
    if (running !== undefined || performance.now() < asking.retryAtMs) return running;
    const work = detachFromCall(() => this.fetch(destination, digest))
      .catch(() => false)
      .then((isDone) => {
        asking.running = undefined;
        if (digest !== undefined) this.wanted.delete(digest);
        asking.failures = isDone ? 0 : asking.failures + 1;
        if (!isDone) asking.retryAtMs = performance.now() + this.pauseAfter(asking.failures);
      });
    asking.running = work;
    if (digest !== undefined) this.wanted.set(digest, work);
    return work;
  }

  /** @returns Whether something was learned: of processes that answer by turns, another one may have answered. */
  private async fetch(destination: Destination, wanted: string | undefined): Promise<boolean> {
    const { digest, contract } = await this.describe(destination, [...this.contracts.keys()]);
    if (this.contracts.has(digest)) return wanted === undefined || this.contracts.has(wanted);
    const index = readContract(digest, contract);
    if (index === undefined) return false;
    const [oldest] = this.contracts.keys();
    if (this.contracts.size >= this.limits.peerContractsMax && oldest !== undefined) this.contracts.delete(oldest);
    this.contracts.set(digest, index);
    return true;
  }

  private pauseAfter(failures: number): number {
    const { peerPauseMs, peerPauseMaxMs } = this.limits;
    const pauseMs = Math.min(peerPauseMaxMs, peerPauseMs * 2 ** (failures - 1));
    return pauseMs * (0.5 + Math.random() / 2);
  }

  private askingOf(silo: string): Asking {
    let asking = this.askings.get(silo);
    if (asking === undefined) {
      asking = { running: undefined, failures: 0, retryAtMs: 0 };
      this.askings.set(silo, asking);
    }
    return asking;
  }
}
