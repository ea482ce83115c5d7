import type { Logger, Metrics } from "@cellway/telemetry";
import type { ConnectError } from "@connectrpc/connect";
import type { MethodPolicy } from "../contract.js";
import { markUnsent } from "../errors.js";
import { type ContractIdentity, parseContractHeader } from "../headers.js";
import type { Destination } from "../resolver.js";
import type { RpcLimits } from "../settings.js";
import { ContractLibrary, type Describe } from "./contract-library.js";
import { createTooOldError } from "./errors.js";
import { SILENT, type Sighting, Sightings } from "./sightings.js";

/** What the contracts of peers are kept with. */
export interface PeerContractsOptions {
  readonly limits: RpcLimits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Asks a silo what the process that answers serves. */
  readonly describe: Describe;
}

/** What is known of one silo. */
interface PeerState {
  destination: Destination;
  readonly sightings: Sightings;
  /** The header of the last answer and what it stood for: nearly every answer says the same as the one before. */
  lastHeader: string | undefined;
  last: Sighting | undefined;
  /** Calls that were refused and logged: a method and a digest. */
  readonly logged: Set<string>;
}

/** Refusals of one silo that are logged, each once; then they are logged anew. */
const LOGGED_MAX = 1_000;

/**
 * What the other silos serve, as their answers say: which methods may be called there, and which are not there yet.
 * Answers carry a digest; what it stands for is asked for once, in the background, and shared by all silos that have it.
 */
export class PeerContracts {
  private readonly states = new Map<string, PeerState>();
  private readonly library: ContractLibrary;

  constructor(private readonly options: PeerContractsOptions) {
    this.library = new ContractLibrary(options.limits, options.describe);
  }

  /**
   * Called before a call is sent.
   *
   * @throws UNIMPLEMENTED / PEER_TOO_OLD, unsent, when no process that the silo was lately seen to have has the method.
   */
  assertServes(policy: MethodPolicy, destination: Destination): void {
    const state = this.stateOf(destination);
    const recent = state.sightings.recent();
    if (recent.length === 0) return;
    for (const sighting of recent) if (this.has(state, sighting, policy.path) !== false) return;
    const newest = recent.reduce((a, b) => (b.seenAtMs > a.seenAtMs ? b : a));
    // Nothing is sent, so that nothing would be learned: a restart that brings the method would be seen a window late.
    if (performance.now() - newest.seenAtMs > this.options.limits.peerProbeMs) void this.library.ask(destination);
    throw markUnsent(this.refuse(policy, state, newest));
  }

  /**
   * Called with every answer of a silo.
   *
   * @param header - its contract header.
   * @param isServed - whether it came from a silo rather than from something on the way.
   */
  note(silo: string, header: string | undefined, isServed: boolean): void {
    const state = this.states.get(silo);
    if (state === undefined || (header === undefined && !isServed)) return;
    if (state.last !== undefined && state.lastHeader === header) {
      state.last.seenAtMs = performance.now();
    } else {
      const identity = header === undefined ? SILENT : parseContractHeader(header);
      if (identity === undefined) return;
      state.last = state.sightings.see(identity);
      state.lastHeader = header;
    }
    const { digest } = state.last;
    if (digest !== "" && this.indexOf(state.last) === undefined) void this.library.ask(state.destination, digest);
  }

  /**
   * Called with a 404: the error for it, or undefined when it came from something on the way, because the silo has the
   * method.
   */
  learnMissing(policy: MethodPolicy, destination: Destination, header: string | undefined): ConnectError | undefined {
    const state = this.stateOf(destination);
    const recent = state.sightings.recent();
    const identity = header === undefined ? undefined : parseContractHeader(header);
    // A process that does not say what it serves is told apart from something on the way by what was seen before.
    const sighting = recent.find(({ digest }) => digest === (identity ?? SILENT).digest);
    if (sighting !== undefined) sighting.missing.set(policy.path, performance.now());
    else if (identity === undefined && recent.some((each) => this.has(state, each, policy.path) === true))
      return undefined;
    return this.refuse(policy, state, sighting ?? identity);
  }

  /**
   * Whether every process that the silo was lately seen to have has the method, and the field. Asks the silo when that is
   * not known; false when it does not answer in time, or does not say.
   */
  async supports(
    destination: Destination,
    wanted: { readonly path: string; readonly numbers: readonly number[] },
    timeoutMs: number,
  ): Promise<boolean> {
    const overAtMs = performance.now() + timeoutMs;
    const state = this.stateOf(destination);
    // The second time for what a process that answers by turns with the first one has.
    for (let asked = 0; ; asked += 1) {
      const recent = state.sightings.recent();
      const answers = recent.map((sighting) =>
        sighting.digest === "" ? false : this.has(state, sighting, wanted.path, wanted.numbers),
      );
      if (answers.includes(false)) return false;
      if (answers.length > 0 && !answers.includes(undefined)) return true;
      if (asked === 2) return false;
      const unknown = recent.find((sighting) => this.indexOf(sighting) === undefined);
      const asking = this.library.ask(destination, unknown?.digest);
      if (asking === undefined || !(await settlesBy(asking, overAtMs))) return false;
    }
  }

  private stateOf(destination: Destination): PeerState {
    let state = this.states.get(destination.silo);
    if (state === undefined) {
      const { peerWindowMs, peerDigestsMax } = this.options.limits;
      const sightings = new Sightings(peerWindowMs, peerDigestsMax);
      state = { destination, sightings, lastHeader: undefined, last: undefined, logged: new Set() };
      this.states.set(destination.silo, state);
    }
    state.destination = destination;
    return state;
  }

  private indexOf(sighting: Sighting) {
    if (sighting.index === undefined && sighting.digest !== "") sighting.index = this.library.find(sighting.digest);
    return sighting.index;
  }

  private has(
    { sightings }: PeerState,
    sighting: Sighting,
    path: string,
    numbers?: readonly number[],
  ): boolean | undefined {
    this.indexOf(sighting);
    return sightings.has(sighting, path, numbers);
  }

  private refuse(policy: MethodPolicy, state: PeerState, peer: ContractIdentity | undefined): ConnectError {
    const { silo } = state.destination;
    this.options.metrics.count("cellway_rpc_client_peer_too_old_total", { method: policy.name, destination: silo });
    const key = `${policy.path} ${peer?.digest ?? ""}`;
    if (!state.logged.has(key)) {
      if (state.logged.size >= LOGGED_MAX) state.logged.clear();
      state.logged.add(key);
      const fields = { method: policy.name, destination: silo, version: peer?.version, digest: peer?.digest };
      this.options.logger.warn(fields, "a call was refused: the silo runs a release without the method");
    }
    return createTooOldError(policy.name, silo, peer);
  }
}

/** Whether the work, which does not fail, is done in time. */
async function settlesBy(work: Promise<void>, overAtMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, overAtMs - performance.now()));
  });
  const isDone = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return isDone;
}
