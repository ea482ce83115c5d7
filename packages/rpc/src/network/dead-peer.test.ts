import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { Code } from "@connectrpc/connect";
import { afterEach, expect, jest, test } from "@jest/globals";
import { isUnsent } from "../errors.js";
import {
  callTo,
  createScope,
  END_HEADERS,
  failureOf,
  frame,
  QUICK_LIMITS,
  STATUS_200,
  startChild,
  startFramePeer,
  startRawTcp,
} from "./test-support.js";

jest.setTimeout(30_000);

const scope = createScope();
afterEach(() => scope.close());

/** The longest that finding out may take, with room for a busy machine; far below every deadline here. */
const FOUND_OUT_MS = 3_000;

test("a peer that accepts and never says a word fails the call by the connect timeout, unsent", async () => {
  const peer = await startRawTcp(scope, (socket) => socket.resume());
  const { error, tookMs } = await failureOf(scope.network().post(callTo(peer.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  expect(tookMs).toBeGreaterThanOrEqual(QUICK_LIMITS.connectTimeoutMs - 20);
  expect(tookMs).toBeLessThan(FOUND_OUT_MS);
});

test("a peer that never completes TLS fails the call by the connect timeout, unsent", async () => {
  const peer = await startRawTcp(scope, (socket) => socket.resume());
  const { error, tookMs } = await failureOf(scope.network().post(callTo(peer.origin.replace("http:", "https:"))));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  expect(tookMs).toBeLessThan(FOUND_OUT_MS);
});

test("a black hole, where not even the connection is accepted, fails the call by the connect timeout, unsent", async () => {
  const script =
    'const s = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))';
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  scope.defer(() => child.kill("SIGKILL"));
  const [port] = await once(child.stdout, "data");
  child.kill("SIGSTOP");
  // With nobody to accept them, a few connections fill the queue; what comes after is not answered at all.
  for (let index = 0; index < 4; index += 1) {
    const filler = connect(Number(port), "127.0.0.1").on("error", () => {});
    scope.defer(() => filler.destroy());
  }
  const { error, tookMs } = await failureOf(scope.network().post(callTo(`http://127.0.0.1:${Number(port)}`)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  expect(tookMs).toBeLessThan(FOUND_OUT_MS);
});

test("a peer that falls silent after its greeting fails the call by the ping, and the call may have been seen", async () => {
  const peer = await startFramePeer(scope, () => []);
  const { error, tookMs } = await failureOf(scope.network().post(callTo(peer.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(error.rawMessage).toContain("ping");
  expect(isUnsent(error)).toBe(false);
  expect(tookMs).toBeLessThan(FOUND_OUT_MS);
});

const END_STREAM = 1;

test.each([
  ["a frame that is too long", (id: number) => frame("data", id, Buffer.alloc(100_000))],
  ["headers that cannot be read", (id: number) => frame("headers", id, Buffer.alloc(8, 0xff), END_HEADERS)],
  ["data of a stream that there is not", () => frame("data", 101, Buffer.from("abc"))],
  ["a push", (id: number) => frame("push", id, Buffer.from([0, 0, 0, 2, 0x88]), END_HEADERS)],
  ["a window that grows by nothing", (id: number) => frame("window", id, Buffer.alloc(4))],
  ["settings that are none", () => frame("settings", 0, Buffer.alloc(5))],
])(
  "a peer that sends %s fails its calls in time, and the next one has a connection that works",
  async (_what, wrong) => {
    let calls = 0;
    const peer = await startFramePeer(scope, (id) => {
      calls += 1;
      if (calls <= 2) return [wrong(id)];
      return [frame("headers", id, STATUS_200, END_HEADERS), frame("data", id, new Uint8Array(0), END_STREAM)];
    });
    const network = scope.network();
    const failures = await Promise.all([1, 2].map(() => failureOf(network.post(callTo(peer.origin)))));
    for (const { error, tookMs } of failures) {
      expect(error.code).toBe(Code.Unavailable);
      expect(tookMs).toBeLessThan(FOUND_OUT_MS);
    }
    expect((await network.post(callTo(peer.origin))).status).toBe(200);
    await network.close();
    while (peer.sockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
  },
);

test("a deadline shorter than any of that is kept, whether or not there is a connection", async () => {
  const silent = await startRawTcp(scope, (socket) => socket.resume());
  const mute = await startFramePeer(scope, () => []);
  const network = scope.network({ connectTimeoutMs: 10_000, pingIntervalMs: 10_000 });
  for (const origin of [silent.origin, mute.origin]) {
    const { error, tookMs } = await failureOf(network.post(callTo(origin, "/x", { deadlineAtMs: Date.now() + 60 })));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(tookMs).toBeLessThan(1_000);
  }
});

test("a deadline that has passed sends nothing", async () => {
  const peer = await startRawTcp(scope, () => {});
  const { error } = await failureOf(scope.network().post(callTo(peer.origin, "/x", { deadlineAtMs: Date.now() - 1 })));
  expect(error.code).toBe(Code.DeadlineExceeded);
  expect(peer.sockets.size).toBe(0);
});

test("a stopped process fails calls by the ping, new ones by the connect timeout, and serves again when it goes on", async () => {
  const child = await startChild(scope);
  const network = scope.network();
  expect((await network.post(callTo(child.origin))).status).toBe(200);
  const inFlight = failureOf(network.post(callTo(child.origin, "/hang")));
  expect(await child.nextLine()).toBe("entered");
  child.kill("SIGSTOP");
  const first = await inFlight;
  expect(first.error.code).toBe(Code.Unavailable);
  expect(isUnsent(first.error)).toBe(false);
  expect(first.tookMs).toBeLessThan(FOUND_OUT_MS);
  const second = await failureOf(network.post(callTo(child.origin)));
  expect(second.error.code).toBe(Code.Unavailable);
  expect(isUnsent(second.error)).toBe(true);
  expect(second.tookMs).toBeLessThan(FOUND_OUT_MS);
  child.kill("SIGCONT");
  expect((await network.post(callTo(child.origin))).status).toBe(200);
});

test("a killed process fails its calls at once as UNAVAILABLE, and serves again when it returns on its port", async () => {
  const child = await startChild(scope);
  const network = scope.network({ pingIntervalMs: 60_000 });
  const calls = Array.from({ length: 10 }, () => failureOf(network.post(callTo(child.origin, "/hang"))));
  for (let index = 0; index < calls.length; index += 1) expect(await child.nextLine()).toBe("entered");
  const killedAtMs = performance.now();
  child.kill("SIGKILL");
  for (const { error } of await Promise.all(calls)) {
    expect(error.code).toBe(Code.Unavailable);
    expect(isUnsent(error)).toBe(false);
  }
  expect(performance.now() - killedAtMs).toBeLessThan(FOUND_OUT_MS);
  await child.exited;
  const { error } = await failureOf(network.post(callTo(child.origin)));
  expect(error.code).toBe(Code.Unavailable);
  expect(isUnsent(error)).toBe(true);
  const again = await startChild(scope, new URL(child.origin).port);
  expect((await network.post(callTo(again.origin))).status).toBe(200);
});
