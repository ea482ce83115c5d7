import { setTimeout as pauseFor } from "node:timers/promises";
import type { RouteMemory } from "@cellway/locator";
import type { Logger } from "@cellway/telemetry";
import { buildRouteMaps, type RouteMaps } from "./route-maps.js";
import type { MapSynchronizer } from "./sync-maps.js";

/** Pause between two looks at the routes. */
const LOOK_INTERVAL_MS = 200;
/** HAProxy is asked who it is at least this often, so that one that was reloaded is soon up to date. */
const ASK_INTERVAL_MS = 5_000;
/** Files are written at most this often. */
const WRITE_INTERVAL_MS = 10_000;
/** Greatest pause after failures; it begins with {@link LOOK_INTERVAL_MS} and doubles. */
const FAILURE_PAUSE_MAX_MS = 5_000;
/** Age of the routes from which on it is warned. */
const AGE_MAX_MS = 5_000;

/** What is kept up to date. */
export interface FollowMapsOptions {
  readonly memory: RouteMemory;
  /** Undefined when only files are kept. */
  readonly synchronizer: MapSynchronizer | undefined;
  readonly writeFiles: (maps: RouteMaps) => Promise<void>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Keeps HAProxy's maps and the files up to date until the signal aborts. Whatever fails is logged once and tried again. */
export async function followMaps(options: FollowMapsOptions): Promise<void> {
  const { signal } = options;
  const follower = new MapFollower(options);
  while (!signal.aborted) {
    const pauseMs = await follower.look();
    await pauseFor(pauseMs, undefined, { signal }).catch(() => undefined);
  }
  await follower.writeLast();
}

class MapFollower {
  private maps: RouteMaps | undefined;
  private seenVersion = -1;
  private sentVersion = -1;
  private writtenVersion = -1;
  private askedAtMs = 0;
  private writtenAtMs = 0;
  private failures = 0;
  private lastFailure = "";
  private isOld = false;

  constructor(private readonly options: FollowMapsOptions) {}

  /** One look. @returns the pause until the next. */
  async look(): Promise<number> {
    const startedAtMs = performance.now();
    this.watchAge();
    try {
      this.build();
      await this.send();
      await this.write(WRITE_INTERVAL_MS);
      this.failures = 0;
      this.lastFailure = "";
    } catch (error) {
      this.report(error);
    }
    const busyMs = performance.now() - startedAtMs;
    const failurePauseMs = this.failures === 0 ? 0 : LOOK_INTERVAL_MS * 2 ** Math.min(this.failures, 10);
    // With millions of keys a look takes seconds: half of the time is left to others.
    return Math.max(LOOK_INTERVAL_MS, Math.min(failurePauseMs, FAILURE_PAUSE_MAX_MS), busyMs);
  }

  async writeLast(): Promise<void> {
    await this.write(0).catch((error: unknown) => this.report(error));
  }

  private build(): void {
    const { memory, logger } = this.options;
    // While all is told anew, what is gone is still here.
    if (memory.isInSnapshot || memory.version === this.seenVersion) return;
    const { version } = memory;
    this.maps = buildRouteMaps(memory);
    this.seenVersion = version;
    if (this.maps.refused > 0)
      logger.warn({ refused: this.maps.refused }, "keys that are no safe map keys are left out");
  }

  private async send(): Promise<void> {
    const { synchronizer, logger } = this.options;
    const { maps } = this;
    if (synchronizer === undefined || maps === undefined) return;
    const isDue = Date.now() - this.askedAtMs >= ASK_INTERVAL_MS;
    if (this.sentVersion === this.seenVersion && !isDue) return;
    const startedAtMs = performance.now();
    const version = this.seenVersion;
    const { isCompared, ...changes } = await synchronizer.sync(maps.maps);
    this.askedAtMs = Date.now();
    this.sentVersion = version;
    const { added, set, deleted } = changes;
    if (added + set + deleted === 0 && this.lastFailure === "") return;
    const took_ms = Math.round(performance.now() - startedAtMs);
    const compared = isCompared ? "; what it held was read" : "";
    logger.info({ ...changes, took_ms, age_ms: this.ageMs() }, `HAProxy is up to date${compared}`);
  }

  private async write(intervalMs: number): Promise<void> {
    const { maps, seenVersion } = this;
    if (maps === undefined || this.writtenVersion === seenVersion || Date.now() - this.writtenAtMs < intervalMs) return;
    await this.options.writeFiles(maps);
    this.writtenVersion = seenVersion;
    this.writtenAtMs = Date.now();
  }

  private watchAge(): void {
    const ageMs = this.ageMs();
    const isOld = ageMs !== null && ageMs > AGE_MAX_MS;
    if (isOld !== this.isOld) {
      const { logger } = this.options;
      if (isOld)
        logger.warn({ age_ms: ageMs }, "routes are old: control's feed brings nothing; the maps stay as they are");
      else logger.info({ age_ms: ageMs }, "routes are fresh again");
    }
    this.isOld = isOld;
  }

  private ageMs(): number | null {
    const { completeUntilMs } = this.options.memory;
    return completeUntilMs === undefined ? null : Math.max(0, Date.now() - completeUntilMs);
  }

  private report(error: unknown): void {
    this.failures += 1;
    const failure = error instanceof Error ? error.message : String(error);
    if (failure === this.lastFailure) return;
    this.lastFailure = failure;
    this.options.logger.error({ reason: failure }, "HAProxy or the files are not up to date; it is tried again");
  }
}
