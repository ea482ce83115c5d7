import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type GatewayStage, HOST, pathOf, startGatewayStage } from "./gateway-stage.js";
import { until } from "./organizations.js";
import { announce, startFaultProxy } from "./router-stage.js";

let stage: GatewayStage;
beforeAll(async () => {
  stage = await startGatewayStage();
});
afterAll(() => stage?.stop());
beforeEach(() => stage.reset());
afterEach(() => stage.stopCells());

describe("what is sent and what is answered", () => {
  test("streams: each piece is at the other end before the next is sent, and a body is larger than any route's limit", async () => {
    const received: Buffer[] = [];
    stage.cell("us1").listener = (req, res) => {
      res.flushHeaders();
      req.on("data", (chunk: Buffer) => {
        received.push(chunk);
        res.write(chunk);
      });
      req.on("end", () => res.end());
    };
    const { hostname, port } = new URL(stage.fleet.control.httpAddress);
    const req = request({
      hostname,
      port,
      path: pathOf("acme"),
      method: "POST",
      headers: { host: HOST },
      agent: false,
    });
    req.write("begin");
    const [res] = (await once(req, "response")) as [IncomingMessage];
    expect(String(((await once(res, "data")) as [Buffer])[0])).toBe("begin");
    for (let piece = 0; piece < 5; piece += 1) {
      req.write(`piece ${piece}`);
      const [chunk] = (await once(res, "data")) as [Buffer];
      expect(chunk.toString()).toBe(`piece ${piece}`);
    }
    const large = Buffer.alloc(3_000_000, 7);
    let back = 0;
    res.on("data", (chunk: Buffer) => {
      back += chunk.byteLength;
    });
    req.end(large);
    await once(res, "end");
    expect(back).toBe(large.byteLength);
  });

  test("an upgrade goes through in both directions, and one for control itself is answered by its routes", async () => {
    const server = createServer();
    server.on("upgrade", (_req, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
      socket.on("data", (chunk: Buffer) => void socket.write(`echo ${chunk.toString()}`));
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as { port: number };
    await announce(stage.fleet, "us1", `http://127.0.0.1:${port}`);
    await until(
      "the address is here",
      async () => stage.cell("us1").asked.length === 0 && (await stage.isAt(`:${port}`)),
    );
    const socket = await upgrade(pathOf("acme"));
    expect(await read(socket)).toMatch(/^HTTP\/1\.1 101/);
    socket.write("hello");
    expect(await read(socket)).toBe("echo hello");
    socket.destroy();
    const own = await upgrade("/healthz");
    expect(await read(own)).toMatch(/^HTTP\/1\.1 200 OK/);
    own.destroy();
    server.close();
    server.closeAllConnections();
  });
});

describe("a cell that is away", () => {
  test("costs its own requests an answer in bounded time, and the others nothing", async () => {
    const faulty = await startFaultProxy(stage.cell("us1").address);
    await announce(stage.fleet, "us1", faulty.address);
    await until("the address is here", () => stage.isAt(faulty.address));
    const others = async () => {
      const startedAt = performance.now();
      expect((await stage.ask(pathOf("globex"))).text).toBe("us2");
      expect((await stage.ask("/healthz")).status).toBe(200);
      return performance.now() - startedAt;
    };
    faulty.fault = "hold";
    const held = Promise.all(Array.from({ length: 40 }, () => stage.ask(pathOf("acme"))));
    expect(await others()).toBeLessThan(2_000);
    expect(new Set((await held).map(({ status }) => status))).toEqual(new Set([429, 504]));
    await faulty.stop();
    await until("the circuit is open", async () => {
      const { status, code } = await stage.ask(pathOf("acme"));
      expect(["UPSTREAM_UNREACHABLE", "UPSTREAM_CIRCUIT_OPEN"]).toContain(code);
      return status === 503;
    });
    expect(await others()).toBeLessThan(2_000);
    await announce(stage.fleet, "us1", stage.cell("us1").address);
    await until("it is served again", async () => (await stage.ask(pathOf("acme"))).text === "us1");
  });

  test("of which nobody said where it serves HTTP is 503 with the remedy", async () => {
    await announce(stage.fleet, "us1", "");
    await until("it is known", async () => (await stage.ask(pathOf("acme"))).code === "CELL_WITHOUT_ADDRESS");
  });

  test("that says the organization has moved is followed once, to whatever locality", async () => {
    const word = { "x-cellway-cell": "de1", "x-cellway-route-epoch": "999999999" };
    stage.cell("us1").listener = (_req, res) => void res.writeHead(421, word).end();
    stage.cell("de1").listener = (req, res) => void req.pipe(res);
    const followed = await stage.ask(pathOf("acme"), { method: "POST", body: "once" });
    expect(followed).toMatchObject({ status: 200, text: "once" });
    expect([stage.cell("us1").asked.length, stage.cell("de1").asked.length]).toEqual([1, 1]);
    stage.cell("de1").listener = (_req, res) => void res.writeHead(421, { "x-cellway-cell": "us1" }).end();
    expect((await stage.ask(pathOf("acme"))).status).toBe(421);
    expect([stage.cell("us1").asked.length, stage.cell("de1").asked.length]).toEqual([2, 2]);
  });
});

async function upgrade(target: string) {
  const socket = connect(Number(new URL(stage.fleet.control.httpAddress).port), "127.0.0.1");
  socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`);
  return socket;
}

async function read(socket: Awaited<ReturnType<typeof upgrade>>): Promise<string> {
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString();
}
