import { type BoundCounter, type Metrics } from "@cellway/telemetry";
import { AbsenceMemory } from "./absence-memory.js";
import { createQuestionsLimitError, createRouteUnknownError } from "./errors.js";
import type { RouteAnswer, RouteDirectory, RouteKey } from "./route-directory.js";
import { type RoutedCell, RouteMemory } from "./route-memory.js";
import type { RouteOrigin } from "./table/records.js";

/** Where an organization lives, and how that is known. */
export interface FoundRoute {
  readonly outcome: "routed";
  readonly organizationId: string;
  readonly slug: string;
  readonly cell: RoutedCell;
  readonly epoch: number;
  readonly origin: RouteOrigin;
  /** When that was learned, in milliseconds since the epoch; exact to the second. */
  readonly learnedAtMs: number;
}

/** It lives in a locality that is not this locator's. */
export interface ElsewhereRoute {
  readonly outcome: "elsewhere";
  readonly cellName: string;
  readonly locality: string;
}

/** What a locator finds of a key. `absent`: there is no such organization. */
export type Finding = FoundRoute | ElsewhereRoute | { readonly outcome: "absent" };

/** What a locator is made of. */
export interface LocatorOptions {
  /** Asked about what is not known here. */
  readonly directory: RouteDirectory;
  readonly metrics: Metrics;
  /** Only organizations that live in these localities are routed. Default: all. */
  readonly localities?: readonly string[];
  /** How long an absence is remembered, in milliseconds; 0 is not at all. Default 2,000. */
  readonly absenceTtlMs?: number;
  /** Absences remembered. Default 10,000. */
  readonly absencesMax?: number;
  /** Questions to the directory in flight; the next one fails at once. Default 256. */
  readonly questionsMax?: number;
  /** Now, in milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

const ABSENT = { outcome: "absent" } as const;

/** What is remembered of a key that the memory does not hold: it leads nowhere, or to this organization. */
type Remembered = Exclude<Finding, FoundRoute> | { readonly outcome: "leads"; readonly organizationId: string };

/**
 * Finds the cell of an organization in memory, in much less than a microsecond. What the memory does not hold is asked of
 * the directory: one question at a time for a key, however many wait for it.
 */
export class Locator {
  readonly memory: RouteMemory;
  private readonly absences: AbsenceMemory<Remembered>;
  private readonly questions = new Map<string, Promise<Finding>>();
  private readonly localities: ReadonlySet<string> | undefined;
  private readonly hits: BoundCounter;

  constructor(private readonly options: LocatorOptions) {
    const { localities = [], absenceTtlMs = 2_000, absencesMax = 10_000, metrics, now = Date.now } = options;
    this.localities = localities.length === 0 ? undefined : new Set(localities);
    this.absences = new AbsenceMemory({ ttlMs: absenceTtlMs, countMax: absencesMax, now });
    this.memory = new RouteMemory({
      now,
      onRouted: (organizationId, slug) => {
        if (this.absences.count === 0) return;
        this.absences.forget(`id:${organizationId}`);
        this.absences.forget(`slug:${slug}`);
      },
      onKeyRouted: (kind, value) => this.absences.forget(`${kind === "alias" ? "slug" : kind}:${value}`),
    });
    this.hits = metrics.counter("cellway_locator_lookups_total", { outcome: "memory" });
  }

  /** The cell that a slug leads to, from memory alone; undefined when that does not know, which is no absence. */
  peekSlug(slug: string): RoutedCell | undefined {
    const place = this.memory.table.findSlug(slug);
    return place === 0 ? undefined : this.cellAt(place);
  }

  /** The cell of an organization's id, from memory alone; undefined when that does not know, which is no absence. */
  peekId(organizationId: string): RoutedCell | undefined {
    const place = this.memory.table.findId(organizationId);
    return place === 0 ? undefined : this.cellAt(place);
  }

  /** The cell that a project's public key leads to, from memory alone; undefined when that does not know. */
  peekProjectKey(publicKey: string): RoutedCell | undefined {
    const place = this.memory.table.findProjectKey(publicKey);
    return place === 0 ? undefined : this.cellAt(place);
  }

  /**
   * Where an organization lives: from memory, else from the directory.
   *
   * @throws UNAVAILABLE / ROUTE_UNKNOWN when it is not known here and the directory does not answer;
   *   RESOURCE_EXHAUSTED / LOCATOR_QUESTIONS_LIMIT when too many are being asked for.
   */
  async find(key: RouteKey): Promise<Finding> {
    const known = this.findKnown(key);
    if (known !== undefined) {
      this.hits.add();
      return known;
    }
    const text = `${key.kind}:${key.value}`;
    const absence = this.findAbsence(key);
    if (absence !== undefined) {
      this.count("absence");
      return absence;
    }
    const underWay = this.questions.get(text);
    if (underWay === undefined) return this.ask(key, text);
    const finding = await underWay;
    // That an organization is absent may be older than this call. Where absences are not remembered, that is too old.
    if (finding.outcome !== "absent" || this.options.absenceTtlMs !== 0) return finding;
    return this.findKnown(key) ?? this.questions.get(text) ?? this.ask(key, text);
  }

  /**
   * Where an organization lives as the directory says now, whatever the memory holds: for a memory that may be behind. From
   * memory when the directory does not answer. @throws as {@link find} does.
   */
  async findAnew(key: RouteKey): Promise<Finding> {
    const text = `anew:${key.kind}:${key.value}`;
    // A question that is under way may be older than this call.
    await this.questions.get(text)?.catch(() => undefined);
    try {
      return await (this.questions.get(text) ?? this.ask(key, text));
    } catch (error) {
      const known = this.findKnown(key);
      if (known === undefined) throw error;
      return known;
    }
  }

  /** A cell by its name: from memory, else from the directory; undefined when there is none. */
  async findCell(name: string): Promise<RoutedCell | undefined> {
    const known = this.memory.findCell(name);
    if (known !== undefined) return known;
    const cells = await this.options.directory.listCells();
    for (const cell of cells) this.memory.stateCell(cell);
    return this.memory.findCell(name);
  }

  /** What the memory knows of a key; undefined when it must be asked. */
  findKnown(key: RouteKey): Finding | undefined {
    const { table } = this.memory;
    const place = this.findPlace(key);
    if (place === 0) return undefined;
    const cell = this.memory.cellAt(place);
    if (cell === undefined) return undefined;
    if (this.localities?.has(cell.locality) === false)
      return { outcome: "elsewhere", cellName: cell.name, locality: cell.locality };
    return {
      outcome: "routed",
      organizationId: table.idAt(place),
      slug: table.textAt(place),
      cell,
      epoch: table.epochAt(place),
      origin: table.originAt(place),
      learnedAtMs: table.learnedAtSAt(place) * 1_000,
    };
  }

  /** What earlier answers say of a key that the memory does not hold. */
  findAbsence({ kind, value }: RouteKey): Finding | undefined {
    const remembered = this.absences.find(`${kind}:${value}`);
    if (remembered?.outcome !== "leads") return remembered;
    return this.findKnown({ kind: "id", value: remembered.organizationId });
  }

  private findPlace({ kind, value }: RouteKey): number {
    const { table } = this.memory;
    if (kind === "id") return table.findId(value);
    return kind === "slug" ? table.findSlug(value) : table.findProjectKey(value);
  }

  private cellAt(place: number): RoutedCell | undefined {
    const cell = this.memory.cellAt(place);
    return cell === undefined || this.localities?.has(cell.locality) === false ? undefined : cell;
  }

  private ask(key: RouteKey, text: string): Promise<Finding> {
    const { questionsMax = 256 } = this.options;
    if (this.questions.size >= questionsMax) {
      this.count("refused");
      throw createQuestionsLimitError(questionsMax);
    }
    const question = this.askDirectory(key, text).finally(() => this.questions.delete(text));
    this.questions.set(text, question);
    return question;
  }

  private async askDirectory(key: RouteKey, text: string): Promise<Finding> {
    let answer: RouteAnswer | undefined;
    try {
      answer = await this.options.directory.findOrganization(key);
      if (answer !== undefined && this.isHere(answer.locality)) await this.learn(answer);
    } catch (error) {
      this.count("failed");
      throw createRouteUnknownError(key, error);
    }
    this.count(answer === undefined ? "absent" : "question");
    // Also when the answer was "absent": the feed may have brought it meanwhile, unless the memory may be behind.
    const known = answer === undefined && text.startsWith("anew:") ? undefined : this.findKnown(key);
    if (known !== undefined) return known;
    // The key may be one that the feed has not brought yet.
    const owner = answer === undefined ? undefined : this.findKnown({ kind: "id", value: answer.organizationId });
    if (answer !== undefined && owner !== undefined) {
      this.absences.remember(text, { outcome: "leads", organizationId: answer.organizationId });
      return owner;
    }
    const finding =
      answer === undefined || this.isHere(answer.locality)
        ? ABSENT
        : ({ outcome: "elsewhere", cellName: answer.cellName, locality: answer.locality } as const);
    this.absences.remember(text, finding);
    return finding;
  }

  private async learn(answer: RouteAnswer): Promise<void> {
    this.memory.stateRoute({ ...answer, isDeleted: false }, "question");
    await this.findCell(answer.cellName);
  }

  private isHere(locality: string): boolean {
    return this.localities === undefined || this.localities.has(locality);
  }

  private count(outcome: string): void {
    this.options.metrics.count("cellway_locator_lookups_total", { outcome });
  }
}
