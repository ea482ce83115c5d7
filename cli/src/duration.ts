import { UsageError } from "./errors.js";

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads `250ms`, `30s`, `10m` or `1h`; a bare whole number is milliseconds.
 *
 * @param option - the option it was given for, for messages: `--ttl`.
 * @returns whole milliseconds, 1 to `maxMs`.
 * @throws UsageError that names the option, the value and the rule.
 */
export function parseDurationMs(text: string, option: string, maxMs: number): number {
  const match = /^(\d{1,9})(ms|s|m|h)?$/.exec(text.trim());
  const valueMs = match === null ? Number.NaN : Number(match[1]) * (UNITS_MS[match[2] ?? "ms"] ?? Number.NaN);
  if (!(valueMs >= 1 && valueMs <= maxMs)) {
    throw new UsageError(
      `${option} ${text}: must be a duration such as 250ms, 30s or 10m, of 1ms to ${formatDuration(maxMs)}.`,
    );
  }
  return valueMs;
}

/** The shortest exact form that {@link parseDurationMs} reads: `90s`, `1h`. */
export function formatDuration(ms: number): string {
  for (const unit of ["h", "m", "s"] as const) {
    const unitMs = UNITS_MS[unit] ?? 1;
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
