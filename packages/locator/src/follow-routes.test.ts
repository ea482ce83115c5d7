import type { WatchRoutesResponse } from "@cellway/gen/cellway/directory/v1/route_feed";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, expect, test } from "@jest/globals";
import { type Following, type FollowOptions, followRoutes } from "./follow-routes.js";
import { createTestLocator, held, message, routes, snapshot, until } from "./test-support.js";

let following: Following | undefined;
afterEach(() => following?.stop());

type Stream = (signal: AbortSignal) => AsyncIterable<WatchRoutesResponse>;

/** What a feed does, stream by stream; the last one is repeated. */
function follow(streams: readonly Stream[], options: Partial<FollowOptions> = {}) {
  const { locator, metrics, logger, lines } = createTestLocator();
  const cursors: string[] = [];
  const watch: FollowOptions["watch"] = (request, { signal }) => {
    cursors.push(request.cursor ?? "");
    return (streams[Math.min(cursors.length, streams.length) - 1] as Stream)(signal);
  };
  const { memory } = locator;
  following = followRoutes({ memory, watch, logger, metrics, pauseMs: 1, pauseMaxMs: 2, ...options });
  return { memory, metrics, cursors, lines, following };
}

/** Gives the messages and is silent until the signal aborts. */
const stay = (...messages: WatchRoutesResponse[]): Stream =>
  async function* (signal) {
    yield* messages;
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve());
    });
    throw new Error("aborted");
  };
const end = (...messages: WatchRoutesResponse[]): Stream =>
  async function* () {
    yield* messages;
  };
const fail = (error: unknown, ...messages: WatchRoutesResponse[]): Stream =>
  async function* () {
    yield* messages;
    throw error;
  };

test("a stream that ends is gone on with from its last cursor", async () => {
  const changed = routes(["1:acme@us2:2"], { cursor: "c2" });
  const { memory, cursors, following: it } = follow([end(...snapshot(["1:acme@us1:1"])), stay(changed)]);
  await it.whenComplete;
  await until(() => held(memory)[0] === "1:acme@us2:2");
  expect(cursors).toEqual(["", "c1"]);
});

test("a feed that falls silent is given up and opened again", async () => {
  const { metrics, cursors } = follow([stay(...snapshot([])), stay()], { silenceMaxMs: 20 });
  await until(() => cursors.length >= 3);
  expect(cursors.slice(0, 3)).toEqual(["", "c1", "c1"]);
  expect(await metrics.value("cellway_locator_reconnects_total", { why: "silent" })).toBeGreaterThan(1);
});

test("a feed that breaks is tried again until it is there, and what is known stays", async () => {
  const gone = new ConnectError("away", Code.Unavailable);
  const { memory, metrics, cursors } = follow([
    fail(gone, ...snapshot(["1:acme@us1:1"])),
    fail(gone),
    fail(gone),
    stay(message(undefined, "c7")),
  ]);
  await until(() => memory.cursor === "c7");
  expect(held(memory)).toEqual(["1:acme@us1:1"]);
  expect(cursors).toEqual(["", "c1", "c1", "c1"]);
  expect(await metrics.value("cellway_locator_reconnects_total", { why: "unavailable" })).toBe(3);
});

test("a snapshot that breaks in the middle is begun anew, and what is gone goes at the end of the next", async () => {
  const [begin, page] = snapshot(["1:acme@us1:1", "2:gone@us1:2"]) as [WatchRoutesResponse, WatchRoutesResponse];
  const { memory, cursors } = follow([fail(new Error("cut"), begin, page), stay(...snapshot(["1:acme@us1:1"]))]);
  await until(() => memory.isComplete);
  expect(held(memory)).toEqual(["1:acme@us1:1"]);
  expect(cursors).toEqual(["", ""]);
});

test("after it was stopped nothing is taken over", async () => {
  const { memory, cursors, following: it } = follow([stay(...snapshot(["1:acme@us1:1"]))]);
  await it.whenComplete;
  await it.stop();
  expect([held(memory).length, cursors.length, it.isConnected()]).toEqual([1, 1, false]);
});
