import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, expect, jest, test } from "@jest/globals";
import { isUnsent } from "../errors.js";
import type { NetworkListener } from "./network.js";
import {
  callTo,
  createGate,
  createHeldRoute,
  createScope,
  createTestEndpoint,
  failureOf,
  startRawHttp2,
} from "./test-support.js";

jest.setTimeout(30_000);

const scope = createScope();
afterEach(() => scope.close());

test("a thousand calls at once, with no connection yet, open one and all succeed", async () => {
  const peer = await startRawHttp2(scope, (stream) => {
    stream.respond({ ":status": 200 });
    stream.end("ok");
  });
  const network = scope.network();
  const replies = await Promise.all(Array.from({ length: 1_000 }, () => network.post(callTo(peer.origin))));
  expect(replies.every((reply) => Buffer.from(reply.body).toString() === "ok")).toBe(true);
  expect(peer.connections()).toBe(1);
});

test("calls beyond what the peer takes at a time wait for their turn", async () => {
  const peer = await startRawHttp2(scope, (stream) => stream.respond({ ":status": 200 }, { endStream: true }), {
    maxConcurrentStreams: 10,
  });
  const network = scope.network();
  const replies = await Promise.all(Array.from({ length: 100 }, () => network.post(callTo(peer.origin))));
  expect(replies).toHaveLength(100);
  expect(peer.connections()).toBe(1);
});

test("listeners that close and return under 50 callers fail no call that was sent", async () => {
  const network = scope.network();
  const endpoint = createTestEndpoint();
  let listener: NetworkListener = await scope.listen(network, endpoint);
  const origin = listener.address;
  const port = Number(new URL(origin).port);
  const failures: ConnectError[] = [];
  let succeeded = 0;
  let isOver = false;
  scope.defer(() => {
    isOver = true;
  });
  const enough = createGate();
  const caller = async () => {
    while (!isOver) {
      try {
        await network.post(callTo(origin));
        succeeded += 1;
        if (succeeded % 500 === 0) enough.open();
      } catch (error) {
        failures.push(error as ConnectError);
        // Room for the listener; a retry would pause too.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  const callers = Array.from({ length: 50 }, caller);
  await enough.opened;
  for (let round = 0; round < 5; round += 1) {
    const before = succeeded;
    await listener.close();
    listener = await scope.listen(network, endpoint, port);
    while (succeeded < before + 200) await new Promise((resolve) => setImmediate(resolve));
  }
  isOver = true;
  await Promise.all(callers);
  expect(failures.filter((error) => !isUnsent(error))).toEqual([]);
  expect(failures.every((error) => error.code === Code.Unavailable)).toBe(true);
});

test("calls that wait for their turn on a session that says goodbye are unsent, and those in flight finish", async () => {
  const held = createHeldRoute();
  const network = scope.network({ streamsPerSessionMax: 5 });
  const listener = await scope.listen(network, createTestEndpoint({ "/held": held.route }));
  // One call first: the peer's limit is known from its settings.
  await network.post(callTo(listener.address));
  const calls = Array.from({ length: 20 }, () =>
    network.post(callTo(listener.address, "/held")).then(
      () => "answered",
      (error: unknown) => (isUnsent(error) ? "unsent" : "lost"),
    ),
  );
  await held.entered;
  const closed = listener.close();
  held.release();
  const outcomes = await Promise.all(calls);
  await closed;
  expect(outcomes.filter((outcome) => outcome === "answered").length).toBeGreaterThanOrEqual(5);
  expect(outcomes).not.toContain("lost");
});

test("thousands of calls that are given up do not make the peer drop the others", async () => {
  const held = createHeldRoute();
  let onEntered = () => {};
  const network = scope.network();
  const listener = await scope.listen(
    network,
    createTestEndpoint({
      "/held": held.route,
      "/given-up": (req) => {
        onEntered();
        return new Promise((_, reject) => req.signal.addEventListener("abort", () => reject(new Error("given up"))));
      },
    }),
  );
  const kept = network.post(callTo(listener.address, "/held"));
  await held.entered;
  for (let index = 0; index < 2_500; index += 1) {
    const controller = new AbortController();
    onEntered = () => controller.abort();
    const { error } = await failureOf(
      network.post(callTo(listener.address, "/given-up", { signal: controller.signal })),
    );
    expect(error.code).toBe(Code.Canceled);
  }
  held.release();
  expect((await kept).status).toBe(200);
});

test("large requests and responses under way do not turn small calls away", async () => {
  const network = scope.network();
  const listener = await scope.listen(network, createTestEndpoint());
  const large = Buffer.alloc(4_000_000, 1);
  const larges = Array.from({ length: 20 }, () => network.post(callTo(listener.address, "/echo", { body: large })));
  let isOver = false;
  scope.defer(() => {
    isOver = true;
  });
  const smalls = Array.from({ length: 20 }, async () => {
    while (!isOver) await network.post(callTo(listener.address));
  });
  for (const reply of await Promise.all(larges)) expect(reply.body.byteLength).toBe(large.byteLength);
  isOver = true;
  await Promise.all(smalls);
});

test("memory stays flat over 10,000 calls", async () => {
  const network = scope.network();
  const listener = await scope.listen(network, createTestEndpoint());
  const shared = new AbortController();
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const heapAfter = async (calls: number) => {
    let left = calls;
    const caller = async () => {
      while (left > 0) {
        left -= 1;
        await network.post(callTo(listener.address, "/echo", { signal: shared.signal }));
      }
    };
    await Promise.all(Array.from({ length: 32 }, caller));
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = await heapAfter(2_000);
  const after = await heapAfter(8_000);
  // A listener or a body left over per call would be more.
  expect(after - before).toBeLessThan(2_000_000);
}, 120_000);
