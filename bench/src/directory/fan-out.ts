import { type CellRequest, fanOut } from "@cellway/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import { median } from "../rpc/measure.js";

const CELLS = 1_000;
const DEAD = 10;
const SLOW = 10;
/** What a cell that is well takes to answer. */
const ANSWER_MS = 5;
/** What every cell has. */
const CELL_TIMEOUT_MS = 1_000;
const ROUNDS = 5;

/** What one way of asking all cells took. */
export interface FanOutFigure {
  readonly name: string;
  readonly ms: number;
  readonly answered: number;
  readonly missing: number;
}

/** Asks 1,000 simulated cells, of which 10 refuse and 10 never answer, several at a time, and all of them at once. */
export async function measureFanOut(): Promise<FanOutFigure[]> {
  const cells = Array.from({ length: CELLS }, (_, index) => `c${String(index).padStart(4, "0")}`);
  const figures: FanOutFigure[] = [];
  for (const concurrency of [16, 64, 256]) {
    const options = { pageSize: Number.POSITIVE_INFINITY, timeoutMs: CELL_TIMEOUT_MS, concurrency };
    figures.push(
      await measureWay(`fanOut, ${concurrency} at a time`, async () => {
        const { items, failures } = await fanOut(cells, callCell, options);
        return { answered: items.length, missing: failures.length };
      }),
    );
  }
  figures.push(
    await measureWay("all at once, each with a timeout", async () => {
      const outcomes = await Promise.allSettled(cells.map(callWithTimeout));
      const answered = outcomes.filter(({ status }) => status === "fulfilled").length;
      return { answered, missing: CELLS - answered };
    }),
  );
  return figures;
}

async function measureWay(name: string, ask: () => Promise<Omit<FanOutFigure, "name" | "ms">>): Promise<FanOutFigure> {
  const times: number[] = [];
  let last = { answered: 0, missing: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    last = await ask();
    times.push(performance.now() - startedAt);
  }
  if (last.answered !== CELLS - DEAD - SLOW) throw new Error(`${last.answered} cells answered`);
  return { name, ms: median(times), ...last };
}

function callWithTimeout(cell: string): Promise<unknown> {
  return callCell(cell, { signal: AbortSignal.timeout(CELL_TIMEOUT_MS) });
}

/** One in fifty is dead or slow, spread over the names. */
async function callCell(cell: string, { signal }: Pick<CellRequest, "signal">) {
  const index = Number(cell.slice(1));
  if (index % (CELLS / DEAD) === 7) throw new ConnectError("the cell is dead", Code.Unavailable);
  const isSlow = index % (CELLS / SLOW) === 51;
  await new Promise<void>((resolve, reject) => {
    const timer = isSlow ? undefined : setTimeout(resolve, ANSWER_MS);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(new ConnectError("nobody waits any more", Code.Canceled));
      },
      { once: true },
    );
  });
  return { items: [cell] };
}
