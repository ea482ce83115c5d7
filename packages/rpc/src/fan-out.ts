import { setMaxListeners } from "node:events";
import { ConnectError } from "@connectrpc/connect";
import { createGoneError } from "./client/race-end.js";
import { currentCall, joinSignals } from "./context.js";
import { createCellDeadlineError, settleWithin } from "./fan-out-deadline.js";
import { createPageTokenError, formatKeyToken, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, parseKeyToken } from "./paging.js";

/** How long one cell may take when the caller does not say. */
const CELL_TIMEOUT_MS = 2_000;
/** What is left of the call being served for its answer, so that it hears of the cells that did answer. */
const ANSWER_RESERVE_MS = 100;
/** Cells that are asked at a time when the caller does not say. */
const CONCURRENCY_DEFAULT = 16;

/** What one cell is asked for. Hand all of it on: `client.listX({pageSize, pageToken}, {signal, timeoutMs})`. */
export interface CellRequest {
  /** The most items to answer: 1 to {@link PAGE_SIZE_MAX}. */
  readonly pageSize: number;
  /** The cell's own token; empty for its first page. */
  readonly pageToken: string;
  /** Aborts when the answer is not wanted any more. */
  readonly signal: AbortSignal;
  /** What is left of the cell's time. */
  readonly timeoutMs: number;
}

/** What one cell answers. */
export interface CellPage<T> {
  /** In the cell's own order, which must be stable. */
  readonly items: readonly T[];
  /** Unset or empty when the cell has no more. */
  readonly nextPageToken?: string;
}

/** How cells are asked. */
export interface FanOutOptions {
  /** Items on the page; `Infinity` for all there are. Default {@link PAGE_SIZE_DEFAULT}. */
  readonly pageSize?: number;
  /** From the page before; empty for the first. */
  readonly pageToken?: string;
  /** Time for all that one cell is asked for a page; never more than is left of the call being served. Default 2,000. */
  readonly timeoutMs?: number;
  /** Cells that are asked at a time. Default 16. */
  readonly concurrency?: number;
  /** Aborts what is running. The signal of the call being served does so too. */
  readonly signal?: AbortSignal;
}

/** An item with the cell that gave it. */
export interface FanOutItem<T> {
  readonly cell: string;
  readonly item: T;
}

/** A cell that did not answer. */
export interface FanOutFailure {
  readonly cell: string;
  /** DEADLINE_EXCEEDED when its time was over. */
  readonly error: ConnectError;
}

/** A page of what all cells have. */
export interface FanOutPage<T> {
  /** Ordered by the cell's name, and in each cell as the cell has them. */
  readonly items: readonly FanOutItem<T>[];
  /** Cells whose items, or the rest of them, are missing from this page and from those after it, ordered by name. */
  readonly failures: readonly FanOutFailure[];
  /** Empty on the last page. Stays good when cells come and go: it names a cell and that cell's own token. */
  readonly nextPageToken: string;
}

/**
 * Asks several cells for the same and puts what they answer together, in the order of the cells' names. Cells are asked
 * side by side, no more of them than the page may need. One that fails or is slow costs its own items and nothing else:
 * it is named in the result.
 *
 * @param call - asks one cell; see {@link CellRequest}. May be repeated for the same page, so it must not change anything.
 * @throws INVALID_ARGUMENT / INVALID_FIELD for a token that this did not make · CANCELED when the caller has gone, which
 *   ends every call that is running. Never because of a cell.
 */
export async function fanOut<T>(
  cells: Iterable<string>,
  call: (cell: string, request: CellRequest) => Promise<CellPage<T>>,
  options: FanOutOptions = {},
): Promise<FanOutPage<T>> {
  const start = readToken(options.pageToken ?? "");
  const names = [...new Set(cells)].filter((cell) => cell >= start.cell).sort();
  const round = new FanOutRound(names, start, call, options);
  return round.run(options.concurrency ?? CONCURRENCY_DEFAULT);
}

/** A page of one cell, with where it began and where the next one begins; empty when there is none. */
interface Segment<T> {
  readonly pageToken: string;
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/** What is known of one cell: its pages so far, and why there are no more. */
interface CellAnswer<T> {
  readonly segments: Segment<T>[];
  error?: ConnectError;
  isDone: boolean;
}

/** Where a page begins. */
interface Position {
  readonly cell: string;
  readonly pageToken: string;
}

/** One page in the making. */
class FanOutRound<T> {
  private readonly answers: CellAnswer<T>[] = [];
  /** Ends the calls of {@link work}: the page is full without them. */
  private readonly enough = new AbortController();
  /** Ends everything. */
  private readonly over = new AbortController();
  private readonly pageSize: number;
  private readonly timeoutMs: number;
  /** When no cell is asked any more, by `performance.now()`. */
  private readonly overAtMs: number;
  private readonly caller: AbortSignal | undefined;
  private readonly end = () => {
    this.enough.abort();
    this.over.abort();
  };

  constructor(
    private readonly names: readonly string[],
    private readonly start: Position,
    private readonly call: (cell: string, request: CellRequest) => Promise<CellPage<T>>,
    options: FanOutOptions,
  ) {
    this.pageSize = Math.max(1, options.pageSize ?? PAGE_SIZE_DEFAULT);
    this.timeoutMs = options.timeoutMs ?? CELL_TIMEOUT_MS;
    const leftMs = (currentCall()?.deadlineAtMs ?? Number.POSITIVE_INFINITY) - Date.now();
    this.overAtMs = performance.now() + leftMs - ANSWER_RESERVE_MS;
    this.caller = joinSignals(options.signal, currentCall()?.signal);
    this.caller?.addEventListener("abort", this.end, { once: true });
    setMaxListeners(0, this.enough.signal);
    if (this.caller?.aborted === true) this.end();
  }

  /** @throws CANCELED when the caller goes. */
  async run(concurrency: number): Promise<FanOutPage<T>> {
    try {
      const workers = Array.from({ length: Math.min(concurrency, this.names.length) }, () => this.work());
      await Promise.all(workers);
      // What is left of the round is to ask one cell again for less.
      const page = this.caller?.aborted === true ? undefined : await this.assemble();
      if (page === undefined || this.caller?.aborted === true) throw createGoneError(this.caller);
      return page;
    } finally {
      this.caller?.removeEventListener("abort", this.end);
      this.end();
    }
  }

  /** Asks one cell after the other, in order, until what has been answered fills the page. */
  private async work(): Promise<void> {
    while (this.answers.length < this.names.length && !this.enough.signal.aborted && !this.isFull(this.answers)) {
      const cell = this.names[this.answers.length] ?? "";
      const answer: CellAnswer<T> = { segments: [], isDone: false };
      this.answers.push(answer);
      await this.askWhole(cell, answer).catch((error: unknown) => {
        answer.error = ConnectError.from(error);
      });
      answer.isDone = true;
      // What comes after these cells is not on the page, whatever it is.
      const firstOpen = this.answers.findIndex(({ isDone }) => !isDone);
      if (firstOpen > 0 && this.isFull(this.answers.slice(0, firstOpen))) this.enough.abort();
    }
  }

  private isFull(answers: readonly CellAnswer<T>[]): boolean {
    if (this.pageSize === Number.POSITIVE_INFINITY) return false;
    let count = 0;
    for (const { segments } of answers) for (const { items } of segments) count += items.length;
    return count >= this.pageSize;
  }

  private async askWhole(cell: string, answer: CellAnswer<T>): Promise<void> {
    const overAtMs = this.endOfCell();
    let pageToken = cell === this.start.cell ? this.start.pageToken : "";
    do {
      const page = { pageToken, pageSize: this.pageSize };
      const segment = await this.ask(cell, page, { overAtMs, ended: this.enough.signal });
      answer.segments.push(segment);
      pageToken = segment.nextPageToken;
    } while (pageToken !== "" && !this.isFull([answer]));
  }

  private endOfCell(): number {
    return Math.min(performance.now() + this.timeoutMs, this.overAtMs);
  }

  private async ask(
    cell: string,
    page: { readonly pageToken: string; readonly pageSize: number },
    limit: { readonly overAtMs: number; readonly ended: AbortSignal },
  ): Promise<Segment<T>> {
    const { pageToken } = page;
    const pageSize = Math.min(page.pageSize, PAGE_SIZE_MAX);
    const timeoutMs = Math.ceil(limit.overAtMs - performance.now());
    if (timeoutMs <= 0) throw createCellDeadlineError(cell);
    const request = (signal: AbortSignal) => this.call(cell, { pageSize, pageToken, signal, timeoutMs });
    const { items, nextPageToken = "" } = await settleWithin({ cell, timeoutMs, ended: limit.ended }, request);
    return { pageToken, items, nextPageToken };
  }

  /** Puts the page together. Every cell before the last one on it is done. */
  private async assemble(): Promise<FanOutPage<T>> {
    const items: FanOutItem<T>[] = [];
    const failures: FanOutFailure[] = [];
    const endAt = (cell: string, pageToken: string) => {
      return { items, failures, nextPageToken: formatKeyToken([cell, pageToken]) };
    };
    for (const [index, cell] of this.names.entries()) {
      const answer = this.answers[index];
      if (answer === undefined || items.length >= this.pageSize) return endAt(cell, "");
      for (const segment of answer.segments) {
        const room = this.pageSize - items.length;
        if (room <= 0) return endAt(cell, segment.pageToken);
        const fitting = await this.fit(cell, segment, room, answer);
        items.push(...fitting.items.map((item) => ({ cell, item })));
        if (fitting === segment) continue;
        if (fitting.nextPageToken !== "") return endAt(cell, fitting.nextPageToken);
        break;
      }
      if (answer.error !== undefined) failures.push({ cell, error: answer.error });
      else if (items.length >= this.pageSize) {
        const rest = answer.segments.at(-1)?.nextPageToken ?? "";
        if (rest !== "") return endAt(cell, rest);
      }
    }
    return { items, failures, nextPageToken: "" };
  }

  /** The segment, or what the cell gives instead when it is asked for no more than there is room for. */
  private async fit(cell: string, segment: Segment<T>, room: number, answer: CellAnswer<T>): Promise<Segment<T>> {
    if (segment.items.length <= room) return segment;
    const { pageToken } = segment;
    try {
      const overAtMs = this.endOfCell();
      return await this.ask(cell, { pageToken, pageSize: room }, { overAtMs, ended: this.over.signal });
    } catch (error) {
      answer.error = ConnectError.from(error);
      return { pageToken, items: [], nextPageToken: "" };
    }
  }
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD. */
function readToken(token: string): Position {
  if (token === "") return { cell: "", pageToken: "" };
  const [cell, pageToken] = parseKeyToken(token) ?? [];
  if (cell === undefined || pageToken === undefined) throw createPageTokenError();
  return { cell, pageToken };
}
