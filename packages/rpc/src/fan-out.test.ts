import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "@jest/globals";
import { withCallContext } from "./context.js";
import { reasonOf } from "./errors.js";
import { type CellPage, type CellRequest, type FanOutOptions, fanOut } from "./fan-out.js";

const nameOf = (index: number) => `cell-${String(index).padStart(4, "0")}`;
const THOUSAND = Array.from({ length: 1_000 }, (_, index) => nameOf(index));
const numberOf = (cell: string) => Number(cell.slice(-4));
const isDead = (cell: string) => numberOf(cell) % 100 === 7;
const isSlow = (cell: string) => numberOf(cell) % 100 === 42;

/** Never answers; ends when it is told to. */
function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

/** Cells of `size` items each, `cell-0001/0` …, in pages of no more than `pageMax`, and what each was asked for. */
function createCells(size: (cell: string) => number, pageMax = Number.POSITIVE_INFINITY) {
  const asked: string[] = [];
  let running = 0;
  let runningMax = 0;
  const call = async (cell: string, { pageSize, pageToken, signal }: CellRequest): Promise<CellPage<string>> => {
    asked.push(`${cell}+${pageToken || "0"}:${pageSize}`);
    running += 1;
    runningMax = Math.max(runningMax, running);
    try {
      if (isDead(cell)) throw new ConnectError("connection refused", Code.Unavailable);
      if (isSlow(cell)) return await hang(signal);
      const from = Number(pageToken || "0");
      const to = Math.min(from + Math.min(pageSize, pageMax), size(cell));
      const items = Array.from({ length: to - from }, (_, index) => `${cell}/${from + index}`);
      return { items, nextPageToken: to < size(cell) ? String(to) : "" };
    } finally {
      running -= 1;
    }
  };
  return { call, asked, runningMax: () => runningMax };
}

/** All pages, one after the other. */
async function readAll(cells: Iterable<string>, call: ReturnType<typeof createCells>["call"], options: FanOutOptions) {
  const pages: string[][] = [];
  const failures: string[] = [];
  let pageToken = "";
  do {
    const page = await fanOut(cells, call, { ...options, pageToken });
    pages.push(page.items.map(({ item }) => item));
    failures.push(...page.failures.map(({ cell }) => cell));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return { pages, items: pages.flat(), failures };
}

test("of a thousand cells ten are dead and ten slow: 980 answer, and the twenty are named with their errors", async () => {
  const { call, runningMax } = createCells(() => 1);
  const page = await fanOut(THOUSAND, call, { pageSize: Number.POSITIVE_INFINITY, timeoutMs: 50, concurrency: 64 });
  const missing = THOUSAND.filter((cell) => isDead(cell) || isSlow(cell));
  expect(page.items.map(({ cell }) => cell)).toEqual(THOUSAND.filter((cell) => !missing.includes(cell)));
  expect(page.failures.map(({ cell }) => cell)).toEqual(missing);
  for (const { cell, error } of page.failures)
    expect(error.code).toBe(isDead(cell) ? Code.Unavailable : Code.DeadlineExceeded);
  expect(page.nextPageToken).toBe("");
  expect(runningMax()).toBeLessThanOrEqual(64);
});

test("pages are full, in the order of cells, with nothing twice and nothing left out", async () => {
  const { call } = createCells((cell) => numberOf(cell) % 5);
  const { pages, items, failures } = await readAll(THOUSAND, call, { pageSize: 33, timeoutMs: 200, concurrency: 16 });
  const expected = THOUSAND.filter((cell) => !isDead(cell) && !isSlow(cell)).flatMap((cell) =>
    Array.from({ length: numberOf(cell) % 5 }, (_, index) => `${cell}/${index}`),
  );
  expect(items).toEqual(expected);
  expect(pages.slice(0, -1).every((page) => page.length === 33)).toBe(true);
  expect(failures).toEqual(THOUSAND.filter((cell) => isDead(cell) || isSlow(cell)));
});

test("a cell with more than a page goes on where it was, and one that gives less than it was asked for is asked again", async () => {
  const { call } = createCells(() => 25, 4);
  const { pages, items } = await readAll(
    ["b", "a"].map((name) => `${name}-0000`),
    call,
    { pageSize: 10 },
  );
  expect(pages.map((page) => page.length)).toEqual([10, 10, 10, 10, 10]);
  expect(new Set(items).size).toBe(50);
  expect(items).toEqual(items.toSorted((one, other) => one.localeCompare(other, "en", { numeric: true })));
});

test("a token stays good when cells come and go", async () => {
  const { call } = createCells(() => 2);
  const first = await fanOut(["a-0000", "c-0000", "d-0000"], call, { pageSize: 3 });
  expect(first.items.map(({ item }) => item)).toEqual(["a-0000/0", "a-0000/1", "c-0000/0"]);
  const { nextPageToken: pageToken } = first;
  const grown = await fanOut(["a-0000", "b-0000", "c-0000", "d-0000", "e-0000"], call, { pageToken });
  expect(grown.items.map(({ item }) => item)).toEqual(["c-0000/1", "d-0000/0", "d-0000/1", "e-0000/0", "e-0000/1"]);
  const shrunk = await fanOut(["a-0000", "d-0000"], call, { pageToken });
  expect(shrunk.items.map(({ item }) => item)).toEqual(["d-0000/0", "d-0000/1"]);
});

test("no more cells are asked than the page needs, and those that it turns out not to need are ended", async () => {
  const ended: string[] = [];
  const asked: string[] = [];
  const page = await fanOut(
    THOUSAND,
    async (cell, { signal }) => {
      asked.push(cell);
      if (cell === nameOf(0)) return { items: [1, 2, 3] };
      signal.addEventListener("abort", () => ended.push(cell));
      return hang(signal);
    },
    { pageSize: 3, concurrency: 4 },
  );
  expect(page).toMatchObject({ items: [{ item: 1 }, { item: 2 }, { item: 3 }], failures: [] });
  expect(asked).toEqual([0, 1, 2, 3].map(nameOf));
  expect(ended).toEqual([1, 2, 3].map(nameOf));
});

test("a caller that goes ends every call that is running, and is told CANCELED", async () => {
  const controller = new AbortController();
  const ended: string[] = [];
  const result = fanOut(
    THOUSAND,
    (cell, { signal }) => {
      signal.addEventListener("abort", () => ended.push(cell));
      if (cell === nameOf(7)) controller.abort();
      return hang(signal);
    },
    { signal: controller.signal, concurrency: 8 },
  );
  await expect(result).rejects.toMatchObject({ code: Code.Canceled });
  expect(ended).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map(nameOf));
});

function createCall(leftMs: number, signal: AbortSignal | undefined) {
  const names = { siloName: "control", caller: "control", viewer: undefined, traceparent: "" };
  return { ...names, localMode: "CONTROL", deadlineAtMs: Date.now() + leftMs, signal } as const;
}

test("what has answered when the call being served has little time left is handed on, the rest is named", async () => {
  const page = await withCallContext(createCall(150, undefined), () =>
    fanOut(THOUSAND, (cell, { signal }) => (cell === nameOf(0) ? Promise.resolve({ items: [cell] }) : hang(signal)), {
      timeoutMs: 60_000,
    }),
  );
  expect(page.items).toHaveLength(1);
  expect(page.failures).toHaveLength(999);
  expect(new Set(page.failures.map(({ error }) => error.code))).toEqual(new Set([Code.DeadlineExceeded]));
});

test("when the caller of the call being served goes, every call that is running ends", async () => {
  const controller = new AbortController();
  const gone = withCallContext(createCall(60_000, controller.signal), () =>
    fanOut(["a"], (_cell, { signal }) => hang(signal)),
  );
  controller.abort();
  await expect(gone).rejects.toMatchObject({ code: Code.Canceled });
});

test("a call that throws before it begins costs its cell only", async () => {
  const page = await fanOut(["a", "b"], (cell) => {
    if (cell === "a") throw new Error("no such client");
    return Promise.resolve({ items: [cell] });
  });
  expect(page.items).toEqual([{ cell: "b", item: "b" }]);
  expect(page.failures).toMatchObject([{ cell: "a" }]);
});

test.each(["garbage", Buffer.from("[1]").toString("base64url"), Buffer.from("{").toString("base64url")])(
  "the token %s is refused",
  async (pageToken) => {
    const failure = await fanOut([], () => Promise.resolve({ items: [] }), { pageToken }).catch(reasonOf);
    expect(failure).toBe("INVALID_FIELD");
  },
);

test("no cells are an empty page", async () => {
  expect(await fanOut([], () => Promise.resolve({ items: [] }))).toEqual({
    items: [],
    failures: [],
    nextPageToken: "",
  });
});
