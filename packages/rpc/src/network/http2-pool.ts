import type { ClientHttp2Stream } from "node:http2";
import { markUnsent } from "../errors.js";
import type { RpcLimits } from "../settings.js";
import { type ConnectionOptions, Http2Connection } from "./http2-connection.js";
import { createUnreachableError } from "./network-errors.js";

/** The bounds of a pool. */
export type PoolLimits = Pick<RpcLimits, "sessionsPerSilo" | "connectTimeoutMs" | "pingIntervalMs" | "pingTimeoutMs"> &
  Pick<ConnectionOptions, "idleMs">;

/** A stream and the connection it is on. */
export interface OpenedStream {
  readonly stream: ClientHttp2Stream;
  readonly connection: Http2Connection;
}

/** How often a request looks for a connection before it gives up: connections may be leaving one after the other. */
const OPEN_ATTEMPTS_MAX = 3;

/**
 * One place for a connection: opened when it is needed, replaced when it leaves or dies. Calls in flight on a
 * connection that leaves finish there.
 */
export class ConnectionSlot {
  private current: Http2Connection | undefined;
  private readonly all = new Set<Http2Connection>();
  private isRetired = false;

  constructor(
    private readonly origin: string,
    private readonly limits: PoolLimits,
  ) {}

  /** Opens a stream if that takes no waiting. */
  openNow(path: string, header: Readonly<Record<string, string>>): OpenedStream | undefined {
    const connection = this.current;
    if (connection?.isFresh !== true) return undefined;
    const stream = connection.request({ ...header, ":method": "POST", ":path": path });
    return stream === undefined ? undefined : { stream, connection };
  }

  /**
   * Opens a stream, and a connection if need be. `isOver` says that nobody waits for it any more.
   *
   * @throws UNAVAILABLE / SILO_UNREACHABLE, always unsent.
   */
  async open(path: string, header: Readonly<Record<string, string>>, isOver: () => boolean): Promise<OpenedStream> {
    try {
      for (let attempt = 1; attempt <= OPEN_ATTEMPTS_MAX; attempt += 1) {
        const connection = this.current ?? this.connect();
        await connection.prepare();
        if (isOver()) throw new Error("nobody waits for the answer any more");
        const stream = connection.request({ ...header, ":method": "POST", ":path": path });
        if (stream === undefined) continue;
        if (this.isRetired) connection.leave();
        return { stream, connection };
      }
    } catch (error) {
      throw markUnsent(createUnreachableError(this.origin, error));
    }
    throw markUnsent(createUnreachableError(this.origin, new Error("it closes every connection")));
  }

  /** Waits until there is a connection that answers. @throws what went wrong. */
  async prepare(): Promise<void> {
    await (this.current ?? this.connect()).prepare();
  }

  /** Keeps no connection any longer than its calls take. */
  retire(): void {
    this.isRetired = true;
    this.current?.leave();
  }

  /** Ends all connections, also those that are leaving. */
  close(): void {
    for (const connection of this.all) connection.destroy(new Error("this side is shutting down"));
  }

  private connect(): Http2Connection {
    const connection: Http2Connection = new Http2Connection(
      { ...this.limits, origin: this.origin },
      () => {
        if (this.current === connection) this.current = undefined;
      },
      () => this.all.delete(connection),
    );
    this.current = connection;
    this.all.add(connection);
    return connection;
  }
}

/** The connections to one origin. */
export interface ConnectionPool {
  readonly origin: string;
  /** The place for the next request, round robin. */
  pick(): ConnectionSlot;
  /** Keeps no connection any longer than its calls take. */
  retire(): void;
  /** Ends all connections, and the calls on them. */
  close(): void;
}

/** Creates the pool; connects nothing. */
export function createConnectionPool(origin: string, limits: PoolLimits): ConnectionPool {
  const slots = Array.from({ length: limits.sessionsPerSilo }, () => new ConnectionSlot(origin, limits));
  let next = 0;
  return {
    origin,
    pick() {
      next = (next + 1) % slots.length;
      return slots[next] as ConnectionSlot;
    },
    retire() {
      for (const slot of slots) slot.retire();
    },
    close() {
      for (const slot of slots) slot.close();
    },
  };
}
