import { Code } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { expect, test } from "@jest/globals";
import { isUnsent } from "../errors.js";
import { createMemoryNetwork } from "./memory-network.js";
import { callTo, createGate, createHeldRoute, createTestEndpoint, failureOf } from "./test-support.js";

test("carries calls between silos that listen on it, and tells apart who does not", async () => {
  const network = createMemoryNetwork();
  const listener = await network.listen("http://us1:0", createTestEndpoint());
  const { address } = listener;
  expect(Buffer.from((await network.post(callTo(address))).body).toString()).toBe("hello");
  network.down.add(address);
  const down = await failureOf(network.post(callTo(address)));
  expect(down.error.code).toBe(Code.Unavailable);
  expect(isUnsent(down.error)).toBe(true);
  network.down.delete(address);
  expect((await network.post(callTo(address))).status).toBe(200);
  await listener.close();
  expect(isUnsent((await failureOf(network.post(callTo(address)))).error)).toBe(true);
});

test("a deadline or a signal ends a call that waits for its handler or its body, and the handler learns of it", async () => {
  const held = createHeldRoute();
  const network = createMemoryNetwork();
  async function* stuck() {
    yield Buffer.from("a part");
    await new Promise(() => {});
  }
  const { address } = await network.listen(
    "http://us1:0",
    createTestEndpoint({ "/held": held.route, "/stuck": async () => ({ status: 200, body: stuck() }) }),
  );
  const byDeadline = await failureOf(network.post(callTo(address, "/held", { deadlineAtMs: Date.now() + 40 })));
  expect(byDeadline.error.code).toBe(Code.DeadlineExceeded);
  expect((await held.entered).aborted).toBe(true);
  held.release();
  const inBody = await failureOf(network.post(callTo(address, "/stuck", { deadlineAtMs: Date.now() + 40 })));
  expect(inBody.error.code).toBe(Code.DeadlineExceeded);
  const { error } = await failureOf(network.post(callTo(address, "/echo", { signal: AbortSignal.abort() })));
  expect(error.code).toBe(Code.Canceled);
});

test("a handler's signal aborts when the reader stops early, and not when it has read everything", async () => {
  const network = createMemoryNetwork();
  const signals: AbortSignal[] = [];
  const ended = createGate();
  async function* two() {
    try {
      yield Buffer.from("1");
      yield Buffer.from("2");
    } finally {
      ended.open();
    }
  }
  const { address } = await network.listen("http://us1:0", async (req) => {
    signals.push(req.signal);
    return { status: 200, body: two() };
  });
  const controller = new AbortController();
  const request = {
    url: `${address}/`,
    method: "POST",
    header: new Headers(),
    body: createAsyncIterable([]),
    signal: controller.signal,
  };
  const send = () => network.send(request);
  for await (const _ of (await send()).body) break;
  await ended.opened;
  for await (const _ of (await send()).body);
  controller.abort();
  expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
});
