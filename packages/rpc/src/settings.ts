/** The limits of the RPC runtime. Every number that bounds a call is here. */
export interface RpcLimits {
  /** Largest message, request or response, in bytes. Default 4 MiB. */
  readonly messageMaxBytes: number;
  /** Calls in flight to one silo; the next one fails at once. Default 512. */
  readonly inFlightMax: number;
  /** Attempts of one call, the first included. Default 3. */
  readonly attemptsMax: number;
  /** Greatest pause before the second attempt; doubles for the third. The pause is drawn from 0 to this. Default 50. */
  readonly retryPauseMs: number;
  /** Share of calls to one silo that may be repeated, over time. Default 0.1. */
  readonly retryBudgetShare: number;
  /** Repetitions to one silo that may be saved up while none are needed. Default 20. */
  readonly retryBudgetMax: number;
  /** Share of failed calls over the last {@link circuitWindowMs} that opens the circuit to a silo. Default 0.5. */
  readonly circuitFailureShare: number;
  /** Default 10,000. */
  readonly circuitWindowMs: number;
  /** Calls a second below which the circuit never opens. Default 2. */
  readonly circuitMinCallsPerSecond: number;
  /** First pause before an open circuit lets one call through; doubles up to {@link circuitProbeMaxMs}. Default 500. */
  readonly circuitProbeMs: number;
  /** Default 5,000. */
  readonly circuitProbeMaxMs: number;
  /** HTTP/2 sessions to one silo. Default 1. */
  readonly sessionsPerSilo: number;
  /** Time to connect. Default 2,000. */
  readonly connectTimeoutMs: number;
  /** Silence on a session with open calls before it is pinged. Default 1,000. */
  readonly pingIntervalMs: number;
  /** Time for the answer to a ping before the session counts as dead. Default 1,500. */
  readonly pingTimeoutMs: number;
  /** Longest deadline that a caller may ask for. Default 300,000. */
  readonly timeoutMaxMs: number;
  /** Nonces remembered against replay; half of them at most are one caller's. Default 2,000,000 (about 200 MB when full). */
  readonly nonceMax: number;
  /** Bytes of signed bodies that are held, of all callers, before they are verified. Default 64 MiB. */
  readonly unverifiedMaxBytes: number;
  /** Time for a signed body to arrive whole. Default 10,000. */
  readonly bodyTimeoutMs: number;
  /** Calls that a connection may have open at a time. Default 1,000. */
  readonly streamsPerSessionMax: number;
  /** For how long a contract that a silo was seen to serve counts as served. Default 60,000. */
  readonly peerWindowMs: number;
  /** Contracts of one silo that are kept apart; a rolling restart has two. Default 8. */
  readonly peerDigestsMax: number;
  /** Contracts of all silos that are kept. Default 32. */
  readonly peerContractsMax: number;
  /** Time for a silo to say what it serves. Default 2,000. */
  readonly peerDescribeTimeoutMs: number;
  /** First pause after a silo did not say what it serves; doubles up to {@link peerPauseMaxMs}. Default 1,000. */
  readonly peerPauseMs: number;
  /** Default 60,000. */
  readonly peerPauseMaxMs: number;
  /** Silence of a silo after which a call that is refused for it makes it say again what it serves. Default 5,000. */
  readonly peerProbeMs: number;
}

/** The limits that hold when nothing else is said. */
export const DEFAULT_LIMITS: RpcLimits = {
  messageMaxBytes: 4 * 1024 * 1024,
  inFlightMax: 512,
  attemptsMax: 3,
  retryPauseMs: 50,
  retryBudgetShare: 0.1,
  retryBudgetMax: 20,
  circuitFailureShare: 0.5,
  circuitWindowMs: 10_000,
  circuitMinCallsPerSecond: 2,
  circuitProbeMs: 500,
  circuitProbeMaxMs: 5_000,
  sessionsPerSilo: 1,
  connectTimeoutMs: 2_000,
  pingIntervalMs: 1_000,
  pingTimeoutMs: 1_500,
  timeoutMaxMs: 300_000,
  nonceMax: 2_000_000,
  unverifiedMaxBytes: 64 * 1024 * 1024,
  bodyTimeoutMs: 10_000,
  streamsPerSessionMax: 1_000,
  peerWindowMs: 60_000,
  peerDigestsMax: 8,
  peerContractsMax: 32,
  peerDescribeTimeoutMs: 2_000,
  peerPauseMs: 1_000,
  peerPauseMaxMs: 60_000,
  peerProbeMs: 5_000,
};

/** Methods that an operator has switched off, by name: `organization.CreateOrganization` or `organization.*`. Live. */
export interface MethodSwitch {
  /** Whether calls of the method are refused, here before sending and there before serving. */
  isDisabled(method: string): boolean;
  /** Replaces the list, for calls that start from now on. */
  replace(methods: readonly string[]): void;
}

/** Creates a switch with the given methods off. */
export function createMethodSwitch(methods: readonly string[] = []): MethodSwitch {
  let disabled = new Set(methods);
  return {
    isDisabled: (method) =>
      disabled.size > 0 && (disabled.has(method) || disabled.has(`${method.slice(0, method.indexOf("."))}.*`)),
    replace(next) {
      disabled = new Set(next);
    },
  };
}
