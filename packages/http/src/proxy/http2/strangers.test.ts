import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "@jest/globals";
import { echo } from "../test-support.js";
import { arrival, askHttp2, useHttp2Stages } from "./test-support.js";

const { start, openAnother } = useHttp2Stages();

describe("over HTTP/2 a stranger who", () => {
  it.each([
    ["names two hosts", { ":authority": "a", host: "b" }],
    ["names no host", { ":authority": "" }],
    ["asks for a tunnel", { ":method": "CONNECT", ":path": undefined, ":scheme": undefined }],
    ["asks for no path", { ":method": "OPTIONS", ":path": "*" }],
    ["has blanks in the path", { ":path": "/a b" }],
    ["has a method of two words", { ":method": "GET /x HTTP/1.1" }],
  ])("%s is refused, and nothing reaches the upstream", async (_what, headers) => {
    let asked = 0;
    const { session } = await start((_req, res) => {
      asked += 1;
      res.end();
    });
    const outcome = await askHttp2(session, "/", { headers }).then(
      ({ status }) => status,
      (error: Error) => error.message,
    );
    expect(outcome === 400 || /PROTOCOL_ERROR|reset with 1/.test(String(outcome))).toBe(true);
    expect(asked).toBe(0);
  });

  it("sends headers that are too large, or too many, has that request refused", async () => {
    const { session } = await start(echo);
    const large = { "x-large": "a".repeat(20_000) };
    expect((await askHttp2(session, "/", { headers: large })).status).toBe(431);
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, "a"]));
    await expect(askHttp2(session, "/", { headers: many })).rejects.toThrow(/ENHANCE_YOUR_CALM|reset with 11/);
    expect((await askHttp2(session, "/")).status).toBe(200);
  });

  it("opens streams and resets them, again and again, loses the connection; others keep theirs", async () => {
    const stage = await start(() => {});
    const other = openAnother(stage);
    const closed = new Promise((resolve) => {
      stage.session.once("close", resolve);
    });
    const flood = setInterval(() => {
      for (let count = 0; count < 100 && !stage.session.destroyed; count += 1) {
        const stream = stage.session.request({ ":path": "/", ":authority": "a" });
        stream.on("error", () => {});
        stream.close(8);
      }
    }, 1);
    await closed;
    clearInterval(flood);
    stage.server.removeAllListeners("request").on("request", echo);
    expect((await askHttp2(other, "/")).status).toBe(200);
  });

  it("opens more streams than one connection may have, has to wait with those", async () => {
    const stage = await start(() => {}, { edgeLimits: { streamsMax: 3 } });
    await once(stage.session, "remoteSettings");
    expect(stage.session.remoteSettings.maxConcurrentStreams).toBe(3);
  });

  it("says nothing after the greeting, or has no request for long, loses the connection", async () => {
    const edgeLimits = { headersTimeoutMs: 200, keepAliveTimeoutMs: 200 };
    const stage = await start(echo, { edgeLimits });
    const { hostname, port } = new URL(stage.address);
    for (const text of ["PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""]) {
      const socket = connect(Number(port), hostname, () => socket.write(text));
      socket.resume();
      await once(socket, "close");
    }
    const session = openAnother(stage);
    expect((await askHttp2(session, "/")).status).toBe(200);
    await once(session, "close");
  });

  it("breaks the rules of HTTP/2 with a request under way, or is gone without a word, has no connection left after a while", async () => {
    const stage = await start(() => {}, { edgeLimits: { headersTimeoutMs: 200, keepAliveTimeoutMs: 200 } });
    const { hostname, port } = new URL(stage.address);
    const frame = (type: number, flags: number, id: number, payload: readonly number[]) =>
      Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, id, ...payload]);
    const greeting = [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, [])];
    // GET, http, / of index 2, 6 and 4, and the authority "a".
    const request = frame(1, 5, 1, [0x82, 0x86, 0x84, 0x41, 1, 0x61]);
    const wrongs = [
      frame(
        1,
        5,
        3,
        Array.from({ length: 8 }, () => 0xff),
      ),
      frame(8, 0, 1, [0, 0, 0, 0]),
      frame(4, 0, 0, [0]),
      frame(0, 0, 9, [1]),
      frame(5, 4, 1, [0, 0, 0, 2]),
      frame(3, 0, 1, [0]),
    ];
    const sockets: Socket[] = [];
    const open = async (frames: readonly Buffer[]) => {
      const arrived = arrival(stage);
      const socket = connect(Number(port), hostname, () => socket.write(Buffer.concat([...greeting, request])));
      sockets.push(socket);
      socket.on("error", () => {});
      socket.resume();
      await arrived;
      for (const one of frames) socket.write(one);
      return socket;
    };
    for (const wrong of wrongs) {
      await open([wrong]);
      (await open([wrong])).end();
    }
    // It answers nothing any more, pings neither.
    await open([]);
    const startedAt = performance.now();
    await stage.edge.close({ graceMs: 30_000 });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    // And the places of its requests are free.
    while (stage.results.length < sockets.length) await new Promise((resolve) => setImmediate(resolve));
    for (const socket of sockets) socket.destroy();
  });

  it("sends a body too slowly gets 408; of one that is sent on already the stream ends", async () => {
    const { session } = await start((req) => req.resume(), {
      edgeLimits: { headersTimeoutMs: 200, requestTimeoutMs: 200 },
    });
    for (const length of [10, undefined]) {
      const stream = session.request({
        ":method": "POST",
        ":path": "/",
        ":authority": "a",
        ...(length && { "content-length": length }),
      });
      stream.on("error", () => {});
      stream.write("abc");
      expect((await once(stream, "response"))[0]).toMatchObject({ ":status": 408 });
    }
  });
});
