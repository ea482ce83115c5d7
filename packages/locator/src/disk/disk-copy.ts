import type { Logger, Metrics } from "@cellway/telemetry";
import { DiskCopyError } from "../errors.js";
import { pause } from "../follow-routes.js";
import type { RouteMemory } from "../route-memory.js";
import { readCopy } from "./read-copy.js";
import { writeCopy } from "./write-copy.js";

/** Where routes are kept for the next start, and how. */
export interface DiskCopyOptions {
  /** A file of this process alone, in a folder that is there. */
  readonly path: string;
  /** Pause between two copies, in milliseconds. Default 1,000. */
  readonly pauseMs?: number;
  /** Age at which a copy is made anew though nothing has changed, in milliseconds. Default 60,000. */
  readonly ageMaxMs?: number;
  /** The most that is written in a second. Default 8 MiB. */
  readonly bytesPerSecondMax?: number;
}

interface DiskCopyContext extends DiskCopyOptions {
  readonly memory: RouteMemory;
  readonly localities: readonly string[];
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Puts the routes of the copy on disk into an empty memory. A copy that is damaged or was made for something else is
 * refused with a log line, and the memory stays empty. @returns whether there was a good one.
 */
export async function loadDiskCopy(context: DiskCopyContext): Promise<boolean> {
  const { path, memory, localities, logger, metrics } = context;
  try {
    const routes = await readCopy(path, memory, localities);
    metrics.count("cellway_locator_disk_loads_total", { outcome: "ok" });
    logger.info({ path, routes }, "routes were taken from the copy on disk");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      metrics.count("cellway_locator_disk_loads_total", { outcome: "missing" });
      return false;
    }
    const outcome = error instanceof DiskCopyError ? "refused" : "failed";
    metrics.count("cellway_locator_disk_loads_total", { outcome });
    logger.warn({ path, err: error }, "the copy of routes on disk is not used");
    return false;
  }
}

/** Keeps the copy on disk close behind the memory until it is stopped. */
export function keepDiskCopy(context: DiskCopyContext): DiskCopyKeeper {
  return new DiskCopyKeeper(context);
}

/** Writes copies, one after the other. */
export class DiskCopyKeeper {
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;
  private version = -1;
  private writtenAtMs = Number.NEGATIVE_INFINITY;
  /** Everything that was committed before is in the copy, by control's clock; undefined before the first copy. */
  completeUntilMs: number | undefined;

  constructor(private readonly context: DiskCopyContext) {
    this.running = this.run();
  }

  /** Gives up the copy under way; the one before stays. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      if (this.isDue()) await this.writeOnce();
      await pause(this.context.pauseMs ?? 1_000, signal);
    }
  }

  private isDue(): boolean {
    const { memory, ageMaxMs = 60_000 } = this.context;
    // A memory that is not whole must not take the place of a copy that is.
    if (!memory.isComplete || memory.isInSnapshot) return false;
    return memory.version !== this.version || performance.now() - this.writtenAtMs > ageMaxMs;
  }

  private async writeOnce(): Promise<void> {
    const { memory, path, localities, logger, metrics, bytesPerSecondMax = 8 * 1024 * 1024 } = this.context;
    const { version, completeUntilMs } = memory;
    let outcome = "ok";
    try {
      const bytes = await writeCopy(memory, { path, localities, bytesPerSecondMax, signal: this.stopping.signal });
      if (bytes === undefined) return;
      this.version = version;
      this.completeUntilMs = completeUntilMs;
      this.writtenAtMs = performance.now();
      metrics.set("cellway_locator_disk_copy_bytes", {}, bytes);
    } catch (error) {
      outcome = "failed";
      logger.warn({ path, err: error }, "the copy of routes on disk cannot be written; the one before stays");
    }
    metrics.count("cellway_locator_disk_writes_total", { outcome });
  }
}
