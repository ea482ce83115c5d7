import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { RpcLimits } from "../settings.js";

/** RFC 9113 §7. */
const ERROR_CODE_CANCEL = 8;
/** What may be under way on a stream, and on a connection: a long way at a good rate, and little in front of a ping. */
const WINDOW_BYTES = 1024 * 1024;
/**
 * A server closes a connection on which about 1,000 streams were reset, or more than 33 a second for long, and all its
 * calls with it (the answer to CVE-2023-44487). A connection is left in peace well before that.
 */
const RESETS_MAX = 400;
const RESETS_FORGIVEN_PER_SECOND = 20;

/** Where a connection leads and how long it may be silent. */
export interface ConnectionOptions extends Pick<RpcLimits, "connectTimeoutMs" | "pingIntervalMs" | "pingTimeoutMs"> {
  readonly origin: string;
  /** How long it is kept without a stream. Default: until the peer ends it. */
  readonly idleMs?: number;
}

/**
 * One HTTP/2 connection, from its first packet to its end. It counts as open only when the peer has sent its
 * settings: a peer that accepts and says nothing is a failed connect, and whatever failed until then was never sent.
 */
export class Http2Connection {
  /** Settles when the peer has spoken, or with what went wrong. */
  readonly ready: Promise<void>;
  private readonly socket: Socket;
  private readonly session: ClientHttp2Session;
  private isReady = false;
  private isLeaving = false;
  private streamCount = 0;
  /** Streams among them that nobody waits for any more. */
  private cancelledCount = 0;
  private lastHeardMs = 0;
  private watch: NodeJS.Timeout | undefined;
  private idle: NodeJS.Timeout | undefined;
  private pinging: Promise<boolean> | undefined;
  private endPing: ((isAlive: boolean) => void) | undefined;
  private resets = 0;
  private resetsCountedAtMs = Date.now();

  /** `onLeave` is called once, when no more streams can be opened; `onClose` at the end. */
  constructor(
    private readonly options: ConnectionOptions,
    private readonly onLeave: () => void,
    onClose: () => void,
  ) {
    const url = new URL(options.origin);
    this.socket = openSocket(url);
    this.session = connectHttp2(options.origin, {
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
      // Megabytes. Request bodies under way count, and over the limit node:http2 resets streams whose answer arrives;
      // how many bodies there can be is limited above.
      maxSessionMemory: 65_536,
      createConnection: () => this.socket,
    });
    this.ready = this.waitUntilReady();
    this.ready.catch(() => {});
    this.session.once("connect", () => this.session.setLocalWindowSize(WINDOW_BYTES));
    this.session.once("goaway", () => this.leave());
    this.session.once("close", () => {
      clearInterval(this.watch);
      clearTimeout(this.idle);
      this.endPing?.(false);
      this.leave();
      onClose();
    });
  }

  /** Whether a stream can be opened without waiting: the peer was heard of lately, and no goodbye was said. */
  get isFresh(): boolean {
    return (
      this.isReady &&
      !this.isLeaving &&
      !this.session.closed &&
      !this.session.destroyed &&
      Date.now() - this.lastHeardMs <= this.options.pingIntervalMs
    );
  }

  /** Whether it has ended, and every stream on it. */
  get isLost(): boolean {
    return this.session.destroyed;
  }

  /** Waits until the connection is open, or asks whether it still is. @throws what went wrong while it was opened. */
  async prepare(): Promise<void> {
    await this.ready;
    if (!this.isFresh) await this.ping();
  }

  /** Opens a stream; undefined when the connection is leaving. */
  request(header: OutgoingHttpHeaders): ClientHttp2Stream | undefined {
    // node closes a session of its own accord, and says nothing, when it cannot send a frame; and its end is told later.
    if (this.session.closed || this.session.destroyed) this.leave();
    if (this.isLeaving) return undefined;
    const stream = this.session.request(header);
    this.streamCount += 1;
    clearTimeout(this.idle);
    if (this.streamCount === 1) this.session.ref();
    this.watch ??= setInterval(() => this.look(), Math.max(10, this.options.pingIntervalMs / 4)).unref();
    stream.once("close", () => {
      this.streamCount -= 1;
      if (this.streamCount > 0) return;
      this.session.unref();
      if (this.isLeaving) this.session.close();
      else this.rest();
    });
    return stream;
  }

  /** To be told of every sign of life, so that pings are few. */
  heard(): void {
    this.lastHeardMs = Date.now();
  }

  /** Tells the peer that nobody waits for the stream any more. */
  cancel(stream: ClientHttp2Stream): void {
    if (stream.closed) {
      // The peer has closed it, and will not read what is left to write.
      stream.destroy();
      return;
    }
    this.cancelledCount += 1;
    stream.once("close", () => {
      this.cancelledCount -= 1;
    });
    stream.close(ERROR_CODE_CANCEL);
    const now = Date.now();
    this.resets = Math.max(0, this.resets - ((now - this.resetsCountedAtMs) / 1000) * RESETS_FORGIVEN_PER_SECOND) + 1;
    this.resetsCountedAtMs = now;
    if (this.resets >= RESETS_MAX) this.leave();
  }

  /** No new streams; those that are open finish. */
  leave(): void {
    if (this.isLeaving) return;
    this.isLeaving = true;
    this.onLeave();
    if (this.streamCount === 0) this.session.close();
  }

  /** Ends the connection and every stream on it, now. */
  destroy(reason: Error): void {
    this.session.destroy(reason);
    // The session would wait until its last bytes are written, which a dead peer never lets it do.
    this.socket.destroy();
  }

  private waitUntilReady(): Promise<void> {
    const { session, options } = this;
    return new Promise((resolve, reject) => {
      const timer = setTimeoutAfterInput(() => {
        this.destroy(new Error(`no connection within ${options.connectTimeoutMs} ms`));
      }, options.connectTimeoutMs);
      session.once("remoteSettings", () => {
        timer.clear();
        this.isReady = true;
        this.heard();
        // An idle connection does not keep the process running; a stream does.
        if (this.streamCount === 0) {
          session.unref();
          this.rest();
        }
        resolve();
      });
      session.on("error", reject);
      session.once("close", () => {
        timer.clear();
        reject(new Error("the peer closed the connection"));
      });
    });
  }

  /** Nothing is asked for now. */
  private rest(): void {
    const { idleMs } = this.options;
    clearTimeout(this.idle);
    if (idleMs !== undefined) this.idle = setTimeout(() => this.leave(), idleMs).unref();
  }

  private look(): void {
    if (this.streamCount === 0) {
      clearInterval(this.watch);
      this.watch = undefined;
    } else if (Date.now() - this.lastHeardMs >= this.options.pingIntervalMs) {
      if (!this.session.closed) void this.ping();
      // It cannot be pinged. Who waits for an answer on a connection that was said goodbye to has a deadline; else nobody does.
      else if (!this.isLeaving || this.streamCount === this.cancelledCount)
        this.destroy(new Error("the connection is silent, and closed"));
    }
  }

  /** Whether the peer answers. A connection whose peer does not is destroyed. */
  private ping(): Promise<boolean> {
    if (this.pinging !== undefined) return this.pinging;
    if (this.session.destroyed) return Promise.resolve(false);
    const sentAtMs = Date.now();
    const timer = setTimeoutAfterInput(() => {
      // An answer may wait behind a large response; its bytes say as much.
      if (this.lastHeardMs > sentAtMs) this.endPing?.(true);
      else this.destroy(new Error(`no answer to a ping within ${this.options.pingTimeoutMs} ms`));
    }, this.options.pingTimeoutMs);
    const pinging = new Promise<boolean>((resolve) => {
      this.endPing = (isAlive) => {
        timer.clear();
        this.pinging = undefined;
        this.endPing = undefined;
        resolve(isAlive);
      };
    });
    this.pinging = pinging;
    this.session.ping((error) => {
      if (error === null) this.heard();
      this.endPing?.(error === null);
    });
    return pinging;
  }
}

/** Calls back after `ms`, and after what had arrived by then was read: a process that was held up blames nobody else. */
function setTimeoutAfterInput(callback: () => void, ms: number): { clear(): void } {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(callback);
  }, ms);
  return {
    clear() {
      clearTimeout(timer);
      clearImmediate(immediate);
    },
  };
}

function openSocket(url: URL): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const socket =
    url.protocol === "https:"
      ? connectTls({ host, port: Number(url.port || 443), servername: host, ALPNProtocols: ["h2"] })
      : connectTcp({ host, port: Number(url.port || 80) });
  return socket.setNoDelay(true);
}
