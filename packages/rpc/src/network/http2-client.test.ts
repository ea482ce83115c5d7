import { Code } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { afterEach, expect, test } from "@jest/globals";
import { isUnsent, reasonOf } from "../errors.js";
import { collectBody } from "./network.js";
import {
  callTo,
  createScope,
  END_HEADERS,
  failureOf,
  frame,
  resetCode,
  STATUS_200,
  startFramePeer,
  startRawHttp2,
  startRawTcp,
} from "./test-support.js";

const scope = createScope();
afterEach(() => scope.close());

/** A call by way of `send`, up to the end of the response. */
function sendTo(
  network: ReturnType<typeof scope.network>,
  origin: string,
  signal?: AbortSignal,
  body = Buffer.from("x"),
) {
  const answered = network.send({
    url: `${origin}/stream`,
    method: "POST",
    header: new Headers(),
    body: createAsyncIterable([body]),
    ...(signal === undefined ? {} : { signal }),
  });
  return answered.then((response) => collectBody(response.body, 1_000_000));
}

test("a stream that is reset with NO_ERROR before its response fails the call at once", async () => {
  const peer = await startFramePeer(scope, (id) => [frame("reset", id, resetCode(0))]);
  const network = scope.network();
  for (const call of [network.post(callTo(peer.origin)), sendTo(network, peer.origin)]) {
    const { error, tookMs } = await failureOf(call);
    expect(error.code).toBe(Code.Unavailable);
    expect(reasonOf(error)).toBe("SILO_UNREACHABLE");
    expect(isUnsent(error)).toBe(false);
    expect(tookMs).toBeLessThan(1_000);
  }
});

test("a stream that is reset with NO_ERROR while its request is being sent fails the call at once", async () => {
  const peer = await startFramePeer(scope, (id) => [frame("reset", id, resetCode(0))]);
  const network = scope.network({ pingIntervalMs: 60_000 });
  const body = Buffer.alloc(1_000_000);
  for (const call of [
    () => network.post(callTo(peer.origin, "/x", { body })),
    () => sendTo(network, peer.origin, undefined, body),
  ]) {
    const { error, tookMs } = await failureOf(call());
    expect(error.code).toBe(Code.Unavailable);
    expect(tookMs).toBeLessThan(1_000);
  }
});

test("an answer that is whole before the request was read is the answer", async () => {
  const endStream = 1;
  const peer = await startFramePeer(scope, (id) => [frame("headers", id, STATUS_200, END_HEADERS | endStream)]);
  const network = scope.network({ pingIntervalMs: 60_000 });
  const body = Buffer.alloc(1_000_000);
  expect((await network.post(callTo(peer.origin, "/x", { body }))).status).toBe(200);
  expect(await sendTo(network, peer.origin, undefined, body)).toHaveLength(0);
});

test("a session that is destroyed under a call fails it at once, and the next call opens another", async () => {
  let isFirst = true;
  const peer = await startRawHttp2(scope, (stream) => {
    if (isFirst) stream.session?.destroy();
    else stream.respond({ ":status": 200 }, { endStream: true });
  });
  const network = scope.network();
  const calls = Array.from({ length: 20 }, () => failureOf(network.post(callTo(peer.origin))));
  for (const { error, tookMs } of await Promise.all(calls)) {
    expect(error.code).toBe(Code.Unavailable);
    expect(tookMs).toBeLessThan(1_000);
  }
  isFirst = false;
  expect((await network.post(callTo(peer.origin))).status).toBe(200);
});

test("a response that is cut off by a reset with NO_ERROR is never taken for a whole one", async () => {
  const peer = await startFramePeer(scope, (id) => [
    frame("headers", id, STATUS_200, END_HEADERS),
    frame("data", id, Buffer.from("half of the answer")),
    frame("reset", id, resetCode(0)),
  ]);
  const network = scope.network();
  for (const call of [() => network.post(callTo(peer.origin)), () => sendTo(network, peer.origin)]) {
    const { error, tookMs } = await failureOf(call());
    expect(error.code).toBe(Code.Unavailable);
    expect(isUnsent(error)).toBe(false);
    expect(tookMs).toBeLessThan(1_000);
  }
});

test("a stream that is refused before it is answered is unsent; after any other reset the call may have been seen", async () => {
  const network = scope.network();
  const isUnsentAfter = async (code: number, hasAnswered = false) => {
    const peer = await startFramePeer(scope, (id) => [
      ...(hasAnswered ? [frame("headers", id, STATUS_200, END_HEADERS)] : []),
      frame("reset", id, resetCode(code)),
    ]);
    const outcomes: boolean[] = [];
    for (const call of [() => network.post(callTo(peer.origin)), () => sendTo(network, peer.origin)]) {
      const { error } = await failureOf(call());
      expect(error.code).toBe(Code.Unavailable);
      outcomes.push(isUnsent(error));
    }
    return outcomes;
  };
  expect(await isUnsentAfter(7)).toEqual([true, true]);
  expect(await isUnsentAfter(7, true)).toEqual([false, false]);
  expect(await isUnsentAfter(8, true)).toEqual([false, false]);
  expect(await isUnsentAfter(8)).toEqual([false, false]);
  expect(await isUnsentAfter(2)).toEqual([false, false]);
});

test("a call that finds nobody listening is unsent, and says where it went", async () => {
  const peer = await startRawTcp(scope, () => {});
  await scope.close();
  const { error } = await failureOf(scope.network().post(callTo(peer.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  expect(error.rawMessage).toContain(peer.origin);
});

test("a peer that takes the connection and drops it without a word has not seen the call", async () => {
  const peer = await startRawTcp(scope, (socket) => socket.once("data", () => socket.resetAndDestroy()));
  const { error, tookMs } = await failureOf(scope.network().post(callTo(peer.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  expect(tookMs).toBeLessThan(1_000);
});

test("a peer that speaks something else has not seen the call", async () => {
  const peer = await startRawTcp(scope, (socket) =>
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  );
  const { error } = await failureOf(scope.network().post(callTo(peer.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
});

test("a response over the limit is RESOURCE_EXHAUSTED, and the session stays for others", async () => {
  const peer = await startRawHttp2(scope, (stream, headers) => {
    stream.respond({ ":status": 200 });
    stream.end(Buffer.alloc(headers[":path"] === "/large" ? 3_000_000 : 10));
  });
  const network = scope.network({ messageMaxBytes: 100_000 });
  const small = Array.from({ length: 5 }, () => network.post(callTo(peer.origin, "/small")));
  const { error } = await failureOf(network.post(callTo(peer.origin, "/large")));
  expect(error.code).toBe(Code.ResourceExhausted);
  expect(reasonOf(error)).toBe("BODY_TOO_LARGE");
  small.push(network.post(callTo(peer.origin, "/small")));
  for (const reply of await Promise.all(small)) expect(reply.body).toHaveLength(10);
  expect(peer.connections()).toBe(1);
});

test("a stream's request over the limit is refused here, unsent", async () => {
  const peer = await startRawHttp2(scope, () => {});
  const network = scope.network({ messageMaxBytes: 1_000 });
  const body = createAsyncIterable([Buffer.alloc(10_000)]);
  const request = { url: `${peer.origin}/stream`, method: "POST", header: new Headers(), body } as Parameters<
    typeof network.send
  >[0];
  const { error } = await failureOf(network.send(request));
  expect(error.code).toBe(Code.ResourceExhausted);
  expect(isUnsent(error)).toBe(true);
  expect(peer.connections()).toBe(0);
});

test("a closed client sends nothing and ends what is in flight", async () => {
  const peer = await startRawHttp2(scope, () => void network.close());
  const network = scope.network();
  expect((await failureOf(network.post(callTo(peer.origin)))).error.code).toBe(Code.Unavailable);
  const { error } = await failureOf(network.post(callTo(peer.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  expect(peer.connections()).toBe(1);
});
