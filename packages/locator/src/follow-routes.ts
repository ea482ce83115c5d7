import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchRoutesRequestSchema, WatchRoutesResponse } from "@cellway/gen/cellway/directory/v1/route_feed";
import { reasonOf } from "@cellway/rpc";
import type { Logger, Metrics } from "@cellway/telemetry";
import { Code, ConnectError } from "@connectrpc/connect";
import type { RouteMemory } from "./route-memory.js";

/** Opens the feed. The signal ends it. */
export type WatchRoutes = (
  request: MessageInitShape<typeof WatchRoutesRequestSchema>,
  options: { readonly signal: AbortSignal },
) => AsyncIterable<WatchRoutesResponse>;

/** How the feed is followed. */
export interface FollowOptions {
  readonly memory: RouteMemory;
  readonly watch: WatchRoutes;
  /** Only organizations that live in these localities. Default: all. */
  readonly localities?: readonly string[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Silence after which the feed counts as broken, in milliseconds; heartbeats come every second. Default 5,000. */
  readonly silenceMaxMs?: number;
  /** Greatest pause after the first failure, in milliseconds; doubles with each one. Default 200. */
  readonly pauseMs?: number;
  /** Greatest pause, in milliseconds. Every pause is drawn from 0 to its greatest. Default 5,000. */
  readonly pauseMaxMs?: number;
}

/** A feed that is being followed. */
export interface Following {
  /** Whether a message has come lately. */
  isConnected(): boolean;
  /** Resolves when a snapshot was completed, now or ever; never rejects. */
  readonly whenComplete: Promise<void>;
  /** Ends the stream; nothing is taken over from then on. */
  stop(): Promise<void>;
}

/**
 * Follows the feed into the memory until it is stopped: goes on from the last cursor when the stream ends, breaks or falls
 * silent, after a pause when it brought nothing.
 */
export function followRoutes(options: FollowOptions): Following {
  return new RouteFollower(options);
}

class RouteFollower implements Following {
  readonly whenComplete: Promise<void>;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;
  private connected = false;
  private reportComplete = () => {};

  constructor(private readonly options: FollowOptions) {
    this.whenComplete = new Promise((resolve) => {
      this.reportComplete = resolve;
    });
    if (options.memory.isComplete) this.reportComplete();
    this.running = this.run();
  }

  isConnected(): boolean {
    return this.connected;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { pauseMs = 200, pauseMaxMs = 5_000 } = this.options;
    let failures = 0;
    while (!this.stopping.signal.aborted) {
      const { messages, why } = await this.watchOnce();
      this.connected = false;
      if (this.stopping.signal.aborted) return;
      this.options.metrics.count("cellway_locator_reconnects_total", { why });
      if (messages > 0) failures = 0;
      if (messages > 0 && why === "ended") continue;
      const greatestMs = Math.min(pauseMaxMs, pauseMs * 2 ** failures);
      failures += 1;
      await pause(Math.random() * greatestMs, this.stopping.signal);
    }
  }

  /** One stream, to its end, whatever that is. */
  private async watchOnce(): Promise<{ messages: number; why: string }> {
    const { memory, watch, localities = [], silenceMaxMs = 5_000 } = this.options;
    const controller = new AbortController();
    const stop = () => controller.abort();
    this.stopping.signal.addEventListener("abort", stop, { once: true });
    let isSilent = false;
    const silence = setTimeout(() => {
      isSilent = true;
      controller.abort();
    }, silenceMaxMs);
    let messages = 0;
    try {
      const request = { localities: [...localities], cursor: memory.cursor };
      for await (const message of watch(request, { signal: controller.signal })) {
        if (controller.signal.aborted) break;
        silence.refresh();
        messages += 1;
        this.connected = true;
        this.take(message);
      }
      return { messages, why: isSilent ? "silent" : "ended" };
    } catch (error) {
      if (isSilent) return { messages, why: "silent" };
      if (!this.stopping.signal.aborted)
        this.options.logger.warn({ err: error }, "the route feed broke; it is gone on with");
      return { messages, why: whyBroken(error) };
    } finally {
      clearTimeout(silence);
      this.stopping.signal.removeEventListener("abort", stop);
    }
  }

  private take(message: WatchRoutesResponse): void {
    const { memory, logger, metrics } = this.options;
    const before = memory.table.count;
    memory.apply(message);
    if (message.event.case === "snapshotBegin") {
      metrics.count("cellway_locator_snapshots_total", {});
      logger.info({ reason: message.event.value.reason }, "a snapshot of all routes begins");
    }
    if (message.event.case !== "snapshotEnd") return;
    logger.info(
      { routes: memory.table.count, gone: before - memory.table.count },
      "the snapshot of all routes is complete",
    );
    this.reportComplete();
  }
}

function whyBroken(error: unknown): string {
  const { code } = ConnectError.from(error);
  if (reasonOf(error) === "WATCHER_TOO_SLOW") return "too_slow";
  return code === Code.Unavailable ? "unavailable" : "error";
}

/** Waits, but no longer than until the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    signal.addEventListener("abort", end, { once: true });
  });
}
