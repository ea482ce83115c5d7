import {
  type Circuit,
  type CircuitState,
  type ConnectionPool,
  createCircuit,
  createConnectionPool,
} from "@cellway/rpc";
import type { ProxyLimits } from "./limits.js";
import { UpstreamPool } from "./upstream-pool.js";

/** Told of what becomes of an upstream, for metrics. */
export interface UpstreamListener {
  readonly onCircuit?: (state: CircuitState) => void;
  readonly onInFlight?: (count: number) => void;
}

/** The right to one request. */
export interface Admission {
  /** Gives the place back, once. */
  readonly giveBack: () => void;
  /** Tells the circuit how the request went. */
  readonly judge: NonNullable<ReturnType<Circuit["enter"]>>;
}

/** One place that requests are sent on to, with limits of its own: what it does wrong costs no other upstream anything. */
export class Upstream {
  readonly pool: UpstreamPool;
  readonly circuit: Circuit;
  /** It did not speak HTTP/2 lately; a time of `performance.now()`. */
  private withoutHttp2Until = 0;
  private http2Pool: ConnectionPool | undefined;
  private inFlight = 0;

  /** @param origin `http://10.0.0.7:8000`, without a path. */
  constructor(
    /** What people call it: the name of the cell. */
    readonly name: string,
    readonly origin: string,
    readonly limits: ProxyLimits,
    private readonly listener: UpstreamListener = {},
  ) {
    this.pool = new UpstreamPool(origin, limits);
    this.circuit = createCircuit(limits, (state) => listener.onCircuit?.(state));
  }

  /** Its connections of HTTP/2, for calls of gRPC. */
  get http2(): ConnectionPool {
    this.http2Pool ??= createConnectionPool(this.origin, {
      connectTimeoutMs: this.limits.connectTimeoutMs,
      sessionsPerSilo: this.limits.http2SessionsMax,
      pingIntervalMs: this.limits.http2PingIntervalMs,
      pingTimeoutMs: this.limits.http2PingTimeoutMs,
      idleMs: this.limits.http2IdleMs,
    });
    return this.http2Pool;
  }

  /** Whether it speaks HTTP/2, as far as a connection tells. */
  async speaksHttp2(): Promise<boolean> {
    if (performance.now() < this.withoutHttp2Until) return false;
    try {
      await this.http2.pick().prepare();
      return true;
    } catch (error) {
      if (isWithoutHttp2(error)) this.withoutHttp2Until = performance.now() + this.limits.http2RetryMs;
      return false;
    }
  }

  /** Takes a place; undefined when all are taken. What it returns gives the place back, once. */
  take(): (() => void) | undefined {
    if (this.inFlight >= this.limits.inFlightMax) return undefined;
    this.inFlight += 1;
    this.listener.onInFlight?.(this.inFlight);
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.inFlight -= 1;
      this.listener.onInFlight?.(this.inFlight);
    };
  }

  /** Lets a request in, under the limit of those in flight and the circuit; or says which of the two keeps it out. */
  admit(): Admission | "UPSTREAM_BUSY" | "UPSTREAM_CIRCUIT_OPEN" {
    const giveBack = this.take();
    if (giveBack === undefined) return "UPSTREAM_BUSY";
    const judge = this.circuit.enter();
    if (judge !== undefined) return { giveBack, judge };
    giveBack();
    return "UPSTREAM_CIRCUIT_OPEN";
  }

  /** Takes no more; what is in flight finishes. */
  retire(): void {
    this.pool.retire();
    this.http2Pool?.retire();
  }

  /** Ends every connection. */
  close(): void {
    this.pool.close();
    this.http2Pool?.close();
  }
}

/** Whether an error of a connection says that the other side speaks something else than HTTP/2. */
export function isWithoutHttp2(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_HTTP2_ERROR";
}
