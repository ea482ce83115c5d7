import type { ProxyLimits } from "./limits.js";
import {
  type AnswerListener,
  type ConnectionOwner,
  type Destination,
  type OutgoingRequest,
  UpstreamConnection,
} from "./upstream-connection.js";

/** How often deadlines are looked at, as a share of the shortest of them, within bounds. */
const SWEEP_SHARE = 0.1;
const SWEEP_MIN_MS = 10;
const SWEEP_MAX_MS = 250;

/** The connections to one upstream: as many as requests are in flight, the one that was used last first. */
export class UpstreamPool implements ConnectionOwner {
  private readonly destination: Destination;
  private readonly open = new Set<UpstreamConnection>();
  private readonly free: UpstreamConnection[] = [];
  private readonly sweepMs: number;
  private sweeping: NodeJS.Timeout | undefined;
  private sweptAt = 0;
  private isRetired = false;

  /** @param origin `http://10.0.0.7:8000`, without a path. */
  constructor(
    origin: string,
    private readonly limits: ProxyLimits,
  ) {
    const { hostname, port, protocol } = new URL(origin);
    const isTls = protocol === "https:";
    this.destination = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (isTls ? 443 : 80)), isTls };
    const shortestMs = Math.min(limits.connectTimeoutMs, limits.firstByteTimeoutMs, limits.idleTimeoutMs);
    this.sweepMs = Math.min(SWEEP_MAX_MS, Math.max(SWEEP_MIN_MS, shortestMs * SWEEP_SHARE));
  }

  /** Sends a request at once. @returns the connection that it goes over. */
  send(request: OutgoingRequest, listener: AnswerListener): UpstreamConnection {
    const connection = this.takeFree() ?? this.connect();
    connection.send(request, listener);
    return connection;
  }

  /** Keeps no connection any longer than its request takes. */
  retire(): void {
    this.isRetired = true;
    for (const connection of this.free.splice(0)) connection.destroy();
  }

  /** Ends every connection; who waits for an answer is told so. */
  close(): void {
    this.retire();
    for (const connection of this.open) connection.hangUp();
  }

  onFree(connection: UpstreamConnection): void {
    if (this.isRetired) connection.destroy();
    else this.free.push(connection);
  }

  onGone(connection: UpstreamConnection): void {
    this.open.delete(connection);
    const index = this.free.indexOf(connection);
    if (index >= 0) this.free.splice(index, 1);
    if (this.open.size > 0) return;
    clearInterval(this.sweeping);
    this.sweeping = undefined;
  }

  /** The next one that is free, and not about to go. */
  private takeFree(): UpstreamConnection | undefined {
    let connection = this.free.pop();
    while (connection?.isUsable === false) connection = this.free.pop();
    return connection;
  }

  private connect(): UpstreamConnection {
    const connection = new UpstreamConnection(this.destination, this.limits, this);
    this.open.add(connection);
    // One watch over all: a timer for each request would cost more than the request.
    if (this.sweeping === undefined) {
      this.sweptAt = performance.now();
      this.sweeping = setInterval(() => this.sweep(), this.sweepMs).unref();
    }
    return connection;
  }

  private sweep(): void {
    const now = performance.now();
    const lateMs = now - this.sweptAt - this.sweepMs;
    this.sweptAt = now;
    // This process stood still. What came meanwhile is not read yet, and no upstream is to be blamed for it.
    if (lateMs > this.sweepMs) for (const connection of this.open) connection.allow(lateMs);
    for (const connection of this.open) if (connection.deadlineAt < now) connection.expire();
  }
}
