import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { createAsyncIterable, type UniversalServerRequest } from "@connectrpc/connect/protocol";
import { afterEach, expect, test } from "@jest/globals";
import { callTo, createGate, createHeldRoute, createScope, createTestEndpoint, failureOf } from "./test-support.js";

const scope = createScope();
afterEach(() => scope.close());

function aborted(signal: AbortSignal): Promise<unknown> {
  return signal.aborted ? Promise.resolve() : once(signal, "abort");
}

test("a caller's signal ends the call at once with its reason, and the handler's signal aborts", async () => {
  const held = createHeldRoute();
  const network = scope.network();
  const { address } = await scope.listen(network, createTestEndpoint({ "/held": held.route }));
  const controller = new AbortController();
  const call = failureOf(network.post(callTo(address, "/held", { signal: controller.signal })));
  const serverSignal = await held.entered;
  controller.abort(new ConnectError("changed my mind", Code.Aborted));
  expect((await call).error.rawMessage).toBe("changed my mind");
  await aborted(serverSignal);
  held.release();
});

test("a signal that has aborted sends nothing", async () => {
  const held = createHeldRoute();
  const network = scope.network();
  const { address } = await scope.listen(network, createTestEndpoint({ "/held": held.route }));
  const { error } = await failureOf(network.post(callTo(address, "/held", { signal: AbortSignal.abort() })));
  expect(error.code).toBe(Code.Canceled);
  expect((await network.post(callTo(address))).status).toBe(200);
});

test("a deadline ends the call, and the handler's signal aborts", async () => {
  const held = createHeldRoute();
  const network = scope.network();
  const { address } = await scope.listen(network, createTestEndpoint({ "/held": held.route }));
  await network.post(callTo(address));
  const { error } = await failureOf(network.post(callTo(address, "/held", { deadlineAtMs: Date.now() + 80 })));
  expect(error.code).toBe(Code.DeadlineExceeded);
  await aborted(await held.entered);
  held.release();
});

test("neither signal aborts when a call succeeds", async () => {
  const network = scope.network();
  const signals: AbortSignal[] = [];
  const closed: Promise<unknown>[] = [];
  const listener = await scope.listen(network, async (req: UniversalServerRequest) => {
    signals.push(req.signal);
    return { status: 200, header: new Headers(), body: createAsyncIterable([Buffer.from("ok")]) };
  });
  const controller = new AbortController();
  await network.post(callTo(listener.address, "/", { signal: controller.signal }));
  closed.push(listener.close());
  await Promise.all(closed);
  expect(signals.map((signal) => signal.aborted)).toEqual([false]);
  expect(controller.signal.aborted).toBe(false);
});

test("one signal over 100 calls prints no warning, and ends them all", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  scope.defer(() => process.off("warning", onWarning));
  const allEntered = createGate();
  let entered = 0;
  const network = scope.network();
  const { address } = await scope.listen(network, (req) => {
    entered += 1;
    if (entered === 100) allEntered.open();
    return new Promise((_, reject) => req.signal.addEventListener("abort", () => reject(new Error("given up"))));
  });
  const controller = new AbortController();
  const calls = Array.from({ length: 100 }, () =>
    failureOf(network.post(callTo(address, "/", { signal: controller.signal }))),
  );
  await allEntered.opened;
  controller.abort();
  for (const { error } of await Promise.all(calls)) expect(error.code).toBe(Code.Canceled);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

test("a request that is refused before its body was read is answered, and the session goes on", async () => {
  const network = scope.network();
  const { address } = await scope.listen(network, async (req) =>
    req.url.endsWith("/refused") ? { status: 403, header: new Headers() } : createTestEndpoint()(req),
  );
  const session = connectHttp2(address);
  scope.defer(() => session.destroy());
  const body = Buffer.alloc(3_000_000);
  const refused = Array.from({ length: 50 }, () => network.post(callTo(address, "/refused", { body })));
  for (const reply of await Promise.all(refused)) expect(reply.status).toBe(403);
  expect((await network.post(callTo(address, "/echo", { body }))).body.byteLength).toBe(body.byteLength);
});

test("a stream that its caller does not read is not read from its source either", async () => {
  const piece = Buffer.alloc(64 * 1024);
  let pieces = 0;
  const ended = createGate();
  async function* endless() {
    try {
      for (;;) {
        pieces += 1;
        yield piece;
      }
    } finally {
      ended.open();
    }
  }
  const network = scope.network();
  const { address } = await scope.listen(network, async (req) =>
    req.url.endsWith("/endless") ? { status: 200, header: new Headers(), body: endless() } : createTestEndpoint()(req),
  );
  const request = { url: `${address}/endless`, method: "POST", header: new Headers(), body: createAsyncIterable([]) };
  const response = await network.send(request);
  const iterator = response.body[Symbol.asyncIterator]();
  await iterator.next();
  // Other calls on the same session are not held up by it.
  for (let index = 0; index < 50; index += 1) await network.post(callTo(address));
  const soFar = pieces;
  expect(soFar * piece.byteLength).toBeLessThan(8_000_000);
  for (let index = 0; index < 50; index += 1) await network.post(callTo(address));
  expect(pieces).toBe(soFar);
  await iterator.return?.();
  await ended.opened;
});

test("a source whose reader has gone is told, also when it was waiting for room", async () => {
  const ended = createGate();
  async function* large() {
    try {
      yield Buffer.alloc(20_000_000);
    } finally {
      ended.open();
    }
  }
  const network = scope.network();
  const { address } = await scope.listen(network, async () => ({ status: 200, header: new Headers(), body: large() }));
  const session = connectHttp2(address);
  const stream = session.request({ ":method": "POST", ":path": "/" }).on("error", () => {});
  await once(stream.end(), "response");
  session.destroy();
  await ended.opened;
});

test("a source that fails in the middle fails the call", async () => {
  async function* failing() {
    yield Buffer.from("a part");
    throw new Error("out of paper");
  }
  const network = scope.network();
  const { address } = await scope.listen(network, async () => ({
    status: 200,
    header: new Headers(),
    body: failing(),
  }));
  const { error } = await failureOf(network.post(callTo(address)));
  expect(error.code).toBe(Code.Unavailable);
});
