/** What is used: a call of a method, a request that sets a field, or an old name. */
export type UsageKind = "METHOD" | "FIELD" | "ALIAS";

/** Who uses it. */
export interface UsedBy {
  /** A silo as its signature proves, or `tool`. */
  readonly caller: string;
  /** What the caller says of itself; `unknown` when it says nothing that can be one. */
  readonly service: string;
  readonly version: string;
}

/** Uses of one subject by one caller. Times are of `performance.now()`. */
export interface Usage extends UsedBy {
  readonly kind: UsageKind;
  readonly subject: string;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** A subject that is counted. */
export interface CountedSubject {
  readonly kind: UsageKind;
  readonly subject: string;
}

/**
 * What of this process is used that is to be removed. In memory: whoever owns the log takes what it holds every few seconds
 * and writes it down. Bounded by the subjects, which are names in code, times the callers of each.
 */
export interface UsageLog {
  /** Says that uses of the subject are counted from now on, so that to see none means something. */
  declare(kind: UsageKind, subject: string): void;
  /** What was declared, in no order. */
  readonly declared: readonly CountedSubject[];
  /** Counts one use, in less than a microsecond. The subject is declared with it. */
  note(kind: UsageKind, subject: string, by: UsedBy): void;
  /** Counts a use that lasts as long as this process, such as a setting: now, and again every ten minutes with {@link take}. */
  hold(kind: UsageKind, subject: string, by: UsedBy): void;
  /** What was used since the last time. What is not used until the next time is forgotten. */
  take(): Usage[];
  /** Adds back what was taken and could not be written down. */
  giveBack(usages: readonly Usage[]): void;
  /** Told of a use that nothing like it came shortly before. Must not throw. */
  onNew: (() => void) | undefined;
}

/** Callers of one subject that are told apart; all others are one, as the table that keeps them does it. */
const CALLERS_MAX = 200;
/** How often a use that lasts is counted again. */
const HOLD_INTERVAL_MS = 600_000;
const OTHER: UsedBy = { caller: "other", service: "other", version: "other" };

interface Entry {
  readonly by: UsedBy;
  count: number;
  firstAtMs: number;
  lastAtMs: number;
}

interface Subject extends CountedSubject {
  readonly entries: Map<string, Entry>;
}

/** Creates an empty log. */
export function createUsageLog(): UsageLog {
  return new MemoryUsageLog();
}

class MemoryUsageLog implements UsageLog {
  onNew: (() => void) | undefined;
  private readonly subjects: Readonly<Record<UsageKind, Map<string, Subject>>> = {
    METHOD: new Map(),
    FIELD: new Map(),
    ALIAS: new Map(),
  };

  private readonly held: (CountedSubject & { readonly by: UsedBy; notedAtMs: number })[] = [];

  get declared(): CountedSubject[] {
    return this.all().map(({ kind, subject }) => ({ kind, subject }));
  }

  declare(kind: UsageKind, subject: string): void {
    this.findSubject(kind, subject);
  }

  note(kind: UsageKind, subject: string, by: UsedBy): void {
    const entry = this.find(kind, subject, by);
    const nowMs = performance.now();
    if (entry.count === 0) entry.firstAtMs = nowMs;
    entry.lastAtMs = nowMs;
    entry.count += 1;
  }

  hold(kind: UsageKind, subject: string, by: UsedBy): void {
    if (this.held.some((use) => use.kind === kind && use.subject === subject)) return;
    this.held.push({ kind, subject, by, notedAtMs: performance.now() });
    this.note(kind, subject, by);
  }

  take(): Usage[] {
    for (const use of this.held) {
      if (performance.now() - use.notedAtMs < HOLD_INTERVAL_MS) continue;
      use.notedAtMs = performance.now();
      this.note(use.kind, use.subject, use.by);
    }
    const taken: Usage[] = [];
    for (const { kind, subject, entries } of this.all()) {
      for (const [key, entry] of entries) {
        const { by, count, firstAtMs, lastAtMs } = entry;
        if (count === 0) entries.delete(key);
        else taken.push({ ...by, kind, subject, count, firstAtMs, lastAtMs });
        entry.count = 0;
      }
    }
    return taken;
  }

  giveBack(usages: readonly Usage[]): void {
    for (const { kind, subject, caller, service, version, ...usage } of usages) {
      const entry = this.find(kind, subject, { caller, service, version });
      entry.firstAtMs = entry.count === 0 ? usage.firstAtMs : Math.min(entry.firstAtMs, usage.firstAtMs);
      entry.lastAtMs = entry.count === 0 ? usage.lastAtMs : Math.max(entry.lastAtMs, usage.lastAtMs);
      entry.count += usage.count;
    }
  }

  private all(): Subject[] {
    return Object.values(this.subjects).flatMap((subjects) => [...subjects.values()]);
  }

  private findSubject(kind: UsageKind, name: string): Subject {
    const known = this.subjects[kind].get(name);
    if (known !== undefined) return known;
    const created = { kind, subject: name, entries: new Map<string, Entry>() };
    this.subjects[kind].set(name, created);
    return created;
  }

  private find(kind: UsageKind, name: string, by: UsedBy): Entry {
    const { entries } = this.findSubject(kind, name);
    const key = `${by.caller} ${by.service} ${by.version}`;
    const entry = entries.get(key);
    if (entry !== undefined) return entry;
    if (entries.size >= CALLERS_MAX && by !== OTHER) return this.find(kind, name, OTHER);
    const created = { by, count: 0, firstAtMs: 0, lastAtMs: 0 };
    entries.set(key, created);
    this.onNew?.();
    return created;
  }
}
