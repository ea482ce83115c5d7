import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { ask, echo, type Stage, sendRaw, startStage } from "./test-support.js";

const stages: Stage[] = [];
async function start(...args: Parameters<typeof startStage>): Promise<Stage> {
  const stage = await startStage(...args);
  stages.push(stage);
  return stage;
}
afterEach(async () => {
  await Promise.all(stages.splice(0).map((stage) => stage.stop()));
});

describe("a stranger who tries", () => {
  it.each([
    [
      "a length beside chunks",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ["no host", "GET / HTTP/1.1\r\n\r\n"],
    ["another host in the target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n"],
    ["a folded header", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\nContent-Length : 1\r\n\r\n"],
    ["chunked that is not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"],
  ])("%s is refused with 400, and nothing reaches the upstream", async (_what, text) => {
    let asked = 0;
    const { address } = await start((_req, res) => {
      asked += 1;
      res.end();
    });
    expect(await sendRaw(address, text)).toMatch(/^HTTP\/1\.1 400 /);
    expect(asked).toBe(0);
  });

  it("headers without end gets 431, and headers that come too slowly 408", async () => {
    const { address } = await start(echo, { edgeLimits: { headersTimeoutMs: 300 } });
    expect(await sendRaw(address, `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"a".repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    expect(await sendRaw(address, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe("an upgrade", () => {
  it("ties both connections together, bytes in both directions, and both end with one", async () => {
    const stage = await start(echo);
    stage.server.on("upgrade", (req, socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${req.headers["sec-websocket-key"]}\r\n\r\n`,
      );
      socket.pipe(socket);
    });
    const { hostname, port } = new URL(stage.address);
    const client = connect(Number(port), hostname);
    client.write(
      "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: abc\r\n\r\n",
    );
    expect(String((await once(client, "data"))[0])).toMatch(/^HTTP\/1\.1 101 [\s\S]*sec-websocket-accept: abc/i);
    client.write("ping");
    expect(String((await once(client, "data"))[0])).toBe("ping");
    client.end();
    await once(client, "close");
    while (stage.results.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(stage.results[0]?.status).toBe(101);
  });

  it("that the upstream refuses is answered as it says; one that cannot reach it is 502", async () => {
    const text = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    const plain = await start((_req, res) => res.writeHead(403).end("no"));
    expect(await sendRaw(plain.address, text)).toMatch(/^HTTP\/1\.1 403 [\s\S]*no/);
    const away = await start(echo, { origin: "http://127.0.0.1:1" });
    expect(await sendRaw(away.address, text)).toMatch(/^HTTP\/1\.1 502 [\s\S]*UPSTREAM_UNREACHABLE/);
  });
});

describe("an upgrade to anything but WebSocket", () => {
  const ask = "Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";

  it("is served as if it were not asked for: no tunnel to an upstream that would agree", async () => {
    const stage = await start((req, res) => res.setHeader("x-a", "1").end(JSON.stringify(req.headers)));
    let upgrades = 0;
    stage.server.on("upgrade", (_req, socket) => {
      upgrades += 1;
      socket.destroy();
    });
    const answer = await sendRaw(stage.address, `GET / HTTP/1.1\r\n${ask}\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*x-a: 1/i);
    expect(answer).not.toMatch(/"upgrade"|"http2-settings"/);
    expect(upgrades).toBe(0);
  });

  it("is 400 with a body, which cannot be read then; so is any upgrade for two hosts", async () => {
    let asked = 0;
    const stage = await start((_req, res) => {
      asked += 1;
      res.end();
    });
    stage.server.on("upgrade", () => {
      asked += 1;
    });
    for (const [method, to] of [
      ["POST", "h2c"],
      ["GET", "websocket"],
    ] as const) {
      const text = `${method} / HTTP/1.1\r\n${ask.replace("h2c", to)}Content-Length: 3\r\n\r\nabc`;
      expect(await sendRaw(stage.address, text)).toMatch(/^HTTP\/1\.1 400 /);
    }
    const twice = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    expect(await sendRaw(stage.address, twice)).toMatch(/^HTTP\/1\.1 400 /);
    expect(asked).toBe(0);
  });
});

it("closing lets a request in flight finish, and takes no new one", async () => {
  let release: () => void = () => {};
  const stage = await start((_req, res) => {
    release = () => res.end("done");
    stage.server.emit("arrived");
  });
  const first = ask(stage.address);
  await once(stage.server, "arrived");
  const closed = stage.edge.close({ graceMs: 10_000 });
  await expect(ask(stage.address)).rejects.toThrow(/ECONNREFUSED|socket hang up/);
  release();
  expect((await first).body.toString()).toBe("done");
  await closed;
});

it("closing answers a request that comes over a connection which was idle, and tells its client to come by another", async () => {
  const stage = await start((_req, res) => res.end("done"));
  const { hostname, port } = new URL(stage.address);
  const client = connect(Number(port), hostname);
  const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  client.write(text);
  expect(String((await once(client, "data"))[0])).toMatch(/^HTTP\/1\.1 200 [\s\S]*Connection: keep-alive/i);
  const closed = stage.edge.close({ graceMs: 10_000 });
  client.write(text);
  expect(String((await once(client, "data"))[0])).toMatch(/^HTTP\/1\.1 200 [\s\S]*Connection: close/i);
  await closed;
});
