/** Every number that bounds a request on its way to an upstream. */
export interface ProxyLimits {
  /** Time to connect. Default 2,000. */
  readonly connectTimeoutMs: number;
  /** From the end of the request, or the last piece of it, to the head of the answer. Default 30,000. */
  readonly firstByteTimeoutMs: number;
  /**
   * Silence in the middle of an answer, and of a client that does not take it; of a call of gRPC, silence in both directions.
   * Default 120,000.
   */
  readonly idleTimeoutMs: number;
  /** Requests in flight to one upstream; the next one is refused with 429. Default 512. */
  readonly inFlightMax: number;
  /** A body of a stated length up to this is read before it is sent on, so that it can be sent again. Default 64 KiB. */
  readonly repeatableBodyMaxBytes: number;
  /** Header bytes of an answer. Default 32 KiB. */
  readonly responseHeadersMaxBytes: number;
  /** Connections of HTTP/2 to one upstream, which share its calls. Default 2. */
  readonly http2SessionsMax: number;
  /** Silence on such a connection with open calls before it is pinged. Default 10,000. */
  readonly http2PingIntervalMs: number;
  /** Time for the answer to a ping before the connection counts as dead. Default 5,000. */
  readonly http2PingTimeoutMs: number;
  /** How long such a connection is kept without calls. Default 60,000. */
  readonly http2IdleMs: number;
  /** How long an upstream that did not speak HTTP/2 is not asked whether it does, for streams of Connect. Default 60,000. */
  readonly http2RetryMs: number;
  /** What a client that is refused is told to wait. Default 1. */
  readonly retryAfterS: number;
  /** Share of failed requests over the window that opens the circuit to an upstream. Default 0.5. */
  readonly circuitFailureShare: number;
  /** Default 10,000. */
  readonly circuitWindowMs: number;
  /** Requests a second below which the circuit never opens. Default 1. */
  readonly circuitMinCallsPerSecond: number;
  /** First pause before an open circuit lets one request through; doubles up to {@link circuitProbeMaxMs}. Default 500. */
  readonly circuitProbeMs: number;
  /** Default 5,000. */
  readonly circuitProbeMaxMs: number;
  /**
   * Edges ask an upstream that is used for `/healthz` after a random pause of up to this; while its circuit is open, of up to
   * {@link circuitProbeMs} if that is less. 0: never, and requests probe open circuits. Default 5,000.
   */
  readonly healthCheckMs: number;
  /** For the whole answer to a check. Default 2,000. */
  readonly healthTimeoutMs: number;
  /** Checks in a row that fail until the circuit is opened. Default 3. */
  readonly healthFailures: number;
  /** Without a request for so long an upstream is not checked any more, until the next one. Default 300,000. */
  readonly healthIdleMs: number;
  /** Checks under way at a time, of all upstreams; who finds no place is checked a pause later. Default 100. */
  readonly healthChecksMax: number;
  /** In place of both probe pauses where there are checks: so long an upstream must fail them until a request tries it. Default 60,000. */
  readonly healthProbeMs: number;
}

/** The limits that hold when nothing else is said. */
export const DEFAULT_PROXY_LIMITS: ProxyLimits = {
  connectTimeoutMs: 2_000,
  firstByteTimeoutMs: 30_000,
  idleTimeoutMs: 120_000,
  inFlightMax: 512,
  repeatableBodyMaxBytes: 64 * 1_024,
  responseHeadersMaxBytes: 32 * 1_024,
  http2SessionsMax: 2,
  http2PingIntervalMs: 10_000,
  http2PingTimeoutMs: 5_000,
  http2IdleMs: 60_000,
  http2RetryMs: 60_000,
  retryAfterS: 1,
  circuitFailureShare: 0.5,
  circuitWindowMs: 10_000,
  circuitMinCallsPerSecond: 1,
  circuitProbeMs: 500,
  circuitProbeMaxMs: 5_000,
  healthCheckMs: 5_000,
  healthTimeoutMs: 2_000,
  healthFailures: 3,
  healthIdleMs: 300_000,
  healthChecksMax: 100,
  healthProbeMs: 60_000,
};
