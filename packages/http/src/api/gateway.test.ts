import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type FastifyInstance, fastify } from "fastify";
import { attachGateway } from "./gateway.js";

let app: FastifyInstance;
let port: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  app = fastify({ bodyLimit: 10, forceCloseConnections: true });
  // Sends nothing on: answers with what came.
  attachGateway(
    app,
    {
      takes: (req) => req.url?.startsWith("/cell/") === true,
      handlers: {
        onRequest: (req, res) => void req.pipe(res as ServerResponse),
        onUpgrade: ({ socket }) => {
          socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
          socket.pipe(socket);
        },
      },
      report: () => ({}),
      drain: async () => {},
      close: async () => {},
    },
    { timeoutMs: 200, refuseLate: (socket) => socket.end("HTTP/1.1 408 Late\r\nconnection: close\r\n\r\n") },
  );
  app.post("/own", async (request) => `own ${String(request.body)}`);
  app.get("/own", async () => "own");
  app.post("/cell/own", async () => "own, though a gateway would take it");
  app.post("/cell/:id/known", { config: { isForeign: true } }, async () => "never");
  port = Number(new URL(await app.listen({ port: 0, host: "127.0.0.1" })).port);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
});

const post = (path: string, body: string) =>
  fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body, headers: { "content-type": "text/plain" } });

function open(text: string): Socket {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  socket.write(text);
  return socket;
}

/** Reads until what came fits; what came after it is kept for the next time. */
async function readUntil(socket: Socket, pattern: RegExp): Promise<void> {
  let text = "";
  for (let chunk: Buffer | null; !pattern.test(text); ) {
    while ((chunk = socket.read() as Buffer | null) === null) await once(socket, "readable");
    text += chunk.toString();
  }
}

test("routes of the server's own always win; what is of the other side, or nobody's, is the gateway's where it takes it", async () => {
  expect(await (await post("/own", "body")).text()).toBe("own body");
  expect(await (await post("/cell/own", "body")).text()).toContain("own");
  expect(await (await post("/cell/7/known", "body")).text()).toBe("body");
  expect(await (await post("/cell/7/unknown", "body")).text()).toBe("body");
  expect((await post("/unknown", "body")).status).toBe(404);
});

test("no limit of the routes is on a body that is sent on", async () => {
  const body = "x".repeat(1_000_000);
  expect((await post("/own", body)).status).toBe(413);
  expect(await (await post("/cell/7/known", body)).text()).toBe(body);
});

test("a body that is late is refused for a route of the server's own, and not for what is sent on", async () => {
  const head = "HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nab";
  const onward = open(`POST /cell/7/known ${head}`);
  const own = open(`POST /own ${head}`);
  await readUntil(own, /^HTTP\/1\.1 408/);
  onward.write("cd");
  await readUntil(onward, /^HTTP\/1\.1 200[^]*ab[^]*cd/);
});

test("an upgrade to WebSocket is the gateway's where it takes it, else an ordinary request; open ones do not keep the server from closing", async () => {
  const head = "HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  await readUntil(open(`GET /own ${head}`), /^HTTP\/1\.1 200 OK/);
  await readUntil(open(`GET /unknown ${head}`), /^HTTP\/1\.1 404/);
  const socket = open(`GET /cell/7/ws ${head}`);
  await readUntil(socket, /^HTTP\/1\.1 101[^]*\r\n\r\n$/);
  socket.write("hello");
  await readUntil(socket, /^hello$/);
  const h2c = head.replace("websocket", "h2c");
  await readUntil(open(`GET /cell/7/ws ${h2c}`), /^HTTP\/1\.1 200/);
  await readUntil(open(`POST /cell/7/ws ${h2c.replace("Host", "Content-Length: 3\r\nHost")}abc`), /^HTTP\/1\.1 400/);
  const closed = once(socket, "close");
  await app.close();
  await closed;
});
