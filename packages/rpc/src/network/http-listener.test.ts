import { once } from "node:events";
import { Agent, request as requestHttp1 } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { DEFAULT_LIMITS } from "../settings.js";
import { listenHttp } from "./http-listener.js";
import {
  callTo,
  createGate,
  createHeldRoute,
  createScope,
  createTestEndpoint,
  END_HEADERS,
  frame,
} from "./test-support.js";

const scope = createScope();
afterEach(() => scope.close());

const HTTP1_CALL = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

function dial(origin: string): Socket {
  const socket = connect(Number(new URL(origin).port), "127.0.0.1").on("error", () => {});
  scope.defer(() => socket.destroy());
  return socket;
}

/** Everything that comes until the other side hangs up. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  if (!socket.destroyed) await once(socket, "close");
  return text;
}

async function listenQuickly(openTimeoutMs: number, silenceMs?: number) {
  const listener = await listenHttp("http://127.0.0.1:0", createTestEndpoint(), DEFAULT_LIMITS, {
    openTimeoutMs,
    ...(silenceMs && { silenceMs }),
  });
  scope.defer(() => listener.close({ graceMs: 0 }));
  return listener;
}

test("one port serves HTTP/2 and HTTP/1.1, in however small pieces the first bytes come", async () => {
  const network = scope.network();
  const { address } = await scope.listen(network, createTestEndpoint());
  expect(Buffer.from((await network.post(callTo(address))).body).toString()).toBe("hello");
  const socket = dial(address).setNoDelay(true);
  const answered = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (text.includes("hello")) resolve(text);
    });
  });
  for (const byte of HTTP1_CALL) await new Promise((resolve) => socket.write(byte, resolve));
  expect(await answered).toContain("HTTP/1.1 200 OK");
});

test("a connection that breaks the rules, or is gone without a word, ends after a while; one that answers pings stays", async () => {
  const listener = await listenQuickly(200, 200);
  const idle = connectHttp2(listener.address);
  scope.defer(() => idle.destroy());
  let pings = 0;
  idle.on("ping", () => {
    pings += 1;
  });
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const settings = frame("settings", 0, new Uint8Array(0));
  const headers = frame("headers", 1, Buffer.alloc(8, 0xff), END_HEADERS);
  const window = frame("window", 1, Buffer.alloc(4));
  for (const frames of [[settings], [settings, headers], [settings, window]]) {
    const socket = dial(listener.address);
    socket.resume();
    socket.write(Buffer.concat([preface, ...frames]));
    await once(socket, "close");
  }
  expect(pings).toBeGreaterThan(2);
  expect(idle.destroyed).toBe(false);
});

test("junk is dropped and hurts nobody", async () => {
  const network = scope.network();
  const { address } = await scope.listen(network, createTestEndpoint());
  const junk = [
    "P",
    "\0\0\0\0\0\0",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n and then something else entirely, which is no frame",
    "PRINT 1\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET // HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [[[\r\nConnection: close\r\n\r\n",
    "POST http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  ];
  for (const text of junk) {
    const socket = dial(address);
    socket.end(Buffer.from(text, "latin1"));
    await untilClosed(socket);
  }
  expect((await network.post(callTo(address))).status).toBe(200);
});

test.each([
  ["nothing", ""],
  ["one byte", "P"],
  ["half a greeting of HTTP/2", "PRI * HTTP/2.0\r\n"],
  ["half a request of HTTP/1.1", "POST /echo HTTP/1.1\r\nHo"],
])("a connection that sends %s is closed after its timeout", async (_, text) => {
  const { address } = await listenQuickly(60);
  const socket = dial(address);
  socket.write(text);
  await untilClosed(socket);
});

test("a connection that greeted in time may then be idle for longer", async () => {
  const network = scope.network();
  const { address } = await listenQuickly(40);
  const other = dial(address);
  await network.post(callTo(address));
  // The other connection, opened before, is closed by the same timeout.
  await untilClosed(other);
  const session = connectHttp2(address);
  scope.defer(() => session.destroy());
  await once(session, "remoteSettings");
  await untilClosed(dial(address));
  expect(session.destroyed).toBe(false);
});

test("close() lets calls in flight finish, on HTTP/2 and HTTP/1.1, and takes no new ones", async () => {
  const held = [createHeldRoute(), createHeldRoute()] as const;
  const network = scope.network();
  const listener = await scope.listen(network, createTestEndpoint({ "/h2": held[0].route, "/h1": held[1].route }));
  const call = network.post(callTo(listener.address, "/h2"));
  const socket = dial(listener.address);
  socket.write(HTTP1_CALL.replace("/echo", "/h1"));
  const text = untilClosed(socket);
  await Promise.all([held[0].entered, held[1].entered]);
  const closed = listener.close();
  expect((await network.post(callTo(listener.address)).catch((error: Error) => error)) instanceof Error).toBe(true);
  for (const { release } of held) release();
  expect((await call).status).toBe(200);
  expect(await text).toContain("hello");
  await closed;
});

test("close() does not wait for idle connections", async () => {
  const network = scope.network();
  const listener = await scope.listen(network, createTestEndpoint());
  await network.post(callTo(listener.address));
  const agent = new Agent({ keepAlive: true });
  scope.defer(() => agent.destroy());
  const req = requestHttp1(`${listener.address}/echo`, { method: "POST", agent });
  req.end("hello");
  const [res] = await once(req, "response");
  await once(res.resume(), "end");
  dial(listener.address);
  const startedAtMs = performance.now();
  await listener.close({ graceMs: 30_000 });
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});

test("close() drops what is left after the grace time, and its callers learn of it at once", async () => {
  const held = createHeldRoute();
  const network = scope.network();
  const listener = await scope.listen(network, createTestEndpoint({ "/held": held.route }));
  const call = network.post(callTo(listener.address, "/held")).then(
    () => "answered",
    () => "failed",
  );
  const signal = await held.entered;
  await listener.close({ graceMs: 100 });
  expect(await call).toBe("failed");
  expect(signal.aborted).toBe(true);
  held.release();
});

test("close() may be called again, and both wait for the end", async () => {
  const listener = await listenQuickly(10_000);
  await Promise.all([listener.close(), listener.close()]);
});

test("a port that is taken is an error, not a crash", async () => {
  const network = scope.network();
  const { address } = await scope.listen(network, createTestEndpoint());
  await expect(network.listen(address, createTestEndpoint())).rejects.toThrow("EADDRINUSE");
});

test("a caller that leaves in the middle of its body is not taken for one that finished", async () => {
  const network = scope.network();
  const seen = createGate<string>();
  const { address } = await scope.listen(
    network,
    createTestEndpoint({
      "/read": async (req) => {
        let bytes = 0;
        try {
          for await (const chunk of req.body as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
          seen.open(`a whole body of ${bytes}`);
        } catch (error) {
          seen.open(`cut off: ${(error as Error).message}`);
        }
        return { status: 200 };
      },
    }),
  );
  const session = connectHttp2(address);
  scope.defer(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": "/read" }).on("error", () => {});
  stream.write("half a message", () => stream.close(8));
  expect(await seen.opened).toContain("cut off");
});

test("an HTTP/1.1 caller that leaves in the middle of its body is not taken for one that finished", async () => {
  const network = scope.network();
  const seen = createGate<boolean>();
  const { address } = await scope.listen(network, async (req) => {
    const body = req.body as AsyncIterable<Uint8Array> & { collect(maxBytes: number): Promise<unknown> };
    await body.collect(1_000).then(
      () => seen.open(true),
      () => seen.open(false),
    );
    return { status: 200 };
  });
  const socket = dial(address);
  socket.write("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf", () => socket.destroy());
  expect(await seen.opened).toBe(false);
});
