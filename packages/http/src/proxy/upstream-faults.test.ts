import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { DEFAULT_PROXY_LIMITS } from "./limits.js";
import { ask, echo, problemIn, type Stage, startStage } from "./test-support.js";

const stages: Stage[] = [];
async function start(...args: Parameters<typeof startStage>): Promise<Stage> {
  const stage = await startStage(...args);
  stages.push(stage);
  return stage;
}
afterEach(async () => {
  await Promise.all(stages.splice(0).map((stage) => stage.stop()));
});

describe("when one side goes away", () => {
  it("the upstream hears that the client has gone, in the middle of an answer and before one, and nothing stays in flight", async () => {
    for (const isBegun of [true, false]) {
      const arrived: Promise<unknown>[] = [];
      let arrive: () => void = () => {};
      const here = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      const stage = await start((_req, res) => {
        arrived.push(once(res, "close"));
        if (isBegun) res.write("begun");
        arrive();
      });
      const req = request(stage.address, { agent: false }).on("error", () => {});
      req.end();
      if (isBegun) await once(req, "response");
      await here;
      req.destroy();
      await Promise.all(arrived);
      while (stage.results.length === 0) await new Promise((resolve) => setImmediate(resolve));
      expect(stage.results[0]?.status).toBe(499);
      for (let index = 0; index < DEFAULT_PROXY_LIMITS.inFlightMax; index += 1)
        expect(stage.upstream.take()).toBeDefined();
    }
  });

  it("an answer that breaks off does not look whole to the client", async () => {
    const stage = await start((_req, res) => {
      res.writeHead(200);
      res.write("half", () => setImmediate(() => res.destroy()));
    });
    await expect(ask(stage.address)).rejects.toThrow(/aborted|socket hang up/);
    expect(stage.results[0]).toMatchObject({ status: 200, code: "UPSTREAM_BROKEN" });
  });
});

describe("an upstream that does wrong", () => {
  it("that refuses, hangs, ends the connection or does not speak HTTP is 502 or 504 with a code, in bounded time", async () => {
    const closed = await start(echo, { origin: "http://127.0.0.1:1" });
    const refused = await ask(closed.address, { method: "POST", body: "x" });
    expect([refused.status, problemIn(refused).code]).toEqual([502, "UPSTREAM_UNREACHABLE"]);
    expect(refused.headers["content-type"]).toBe("application/problem+json");

    const hanging = await start(() => {}, { limits: { firstByteTimeoutMs: 200 } });
    const late = await ask(hanging.address, { method: "POST", body: "x" });
    expect([late.status, problemIn(late).code]).toEqual([504, "UPSTREAM_TIMEOUT"]);

    const resetting = await start((req) => req.socket.destroy());
    const broken = await ask(resetting.address, { method: "POST", body: "x" });
    expect([broken.status, problemIn(broken).code]).toEqual([502, "UPSTREAM_BROKEN"]);

    const garbage = createTcpServer((socket) => socket.end("hello\r\n\r\n")).listen(0, "127.0.0.1");
    await once(garbage, "listening");
    const wrong = await start(echo, { origin: `http://127.0.0.1:${(garbage.address() as AddressInfo).port}` });
    const bad = await ask(wrong.address);
    expect([bad.status, problemIn(bad).code]).toEqual([502, "UPSTREAM_BAD_ANSWER"]);
    garbage.close();
  });

  it("that stops reading an upload is 504, and left alone in the end; a client that stops sending one is 408, and blames nobody", async () => {
    const limits = { firstByteTimeoutMs: 200, circuitMinCallsPerSecond: 0 };
    const reading = await start((req) => req.resume(), { limits });
    for (let count = 0; count < 5; count += 1) {
      const req = request(reading.address, { method: "POST", headers: { "content-length": 200_000 }, agent: false });
      req.on("error", () => {});
      req.write("abc");
      const [answer] = (await once(req, "response")) as [IncomingMessage];
      expect(answer.statusCode).toBe(408);
      req.destroy();
    }
    expect(reading.upstream.circuit.state).toBe("closed");

    const deaf = await start(() => {}, { limits });
    deaf.server.on("connection", (socket) => socket.pause());
    const codes: string[] = [];
    for (let count = 0; count < 6; count += 1)
      codes.push(problemIn(await ask(deaf.address, { method: "POST", body: Buffer.alloc(20_000_000) })).code);
    expect(codes[0]).toBe("UPSTREAM_TIMEOUT");
    expect(codes.at(-1)).toBe("UPSTREAM_CIRCUIT_OPEN");
  });

  it("is asked again, once, by GET when the connection broke before the answer; never by POST", async () => {
    const seen: string[] = [];
    const stage = await start((req, res) => {
      seen.push(req.method ?? "");
      if (seen.length % 2 === 1) req.socket.destroy();
      else res.end("ok");
    });
    expect((await ask(stage.address)).body.toString()).toBe("ok");
    expect((await ask(stage.address, { method: "POST", body: "x" })).status).toBe(502);
    expect(seen).toEqual(["GET", "GET", "POST"]);
    expect(stage.results.map(({ repeats }) => repeats)).toEqual([1, 0]);
  });

  it("has so many requests at a time and no more: the next is 429 with retry-after, and its place comes back", async () => {
    let release: () => void = () => {};
    const stage = await start(
      (_req, res) => {
        release = () => res.end("done");
        stage.server.emit("arrived");
      },
      { limits: { inFlightMax: 1 } },
    );
    const first = ask(stage.address);
    await once(stage.server, "arrived");
    const second = await ask(stage.address);
    expect([second.status, problemIn(second).code, second.headers["retry-after"]]).toEqual([429, "UPSTREAM_BUSY", "1"]);
    release();
    expect((await first).status).toBe(200);
    const third = ask(stage.address);
    await once(stage.server, "arrived");
    release();
    expect((await third).status).toBe(200);
  });

  it("is not blamed for the time in which this process stood still: what it answered meanwhile is read first", async () => {
    const stage = await start(
      (_req, res) => {
        // Both sides are in this process: nothing else runs before this is over.
        const overAt = performance.now() + 800;
        while (performance.now() < overAt);
        res.end("ok");
      },
      { limits: { firstByteTimeoutMs: 200 } },
    );
    expect((await ask(stage.address)).status).toBe(200);
  });

  it("is left alone after many failures (503), and taken back by a probe once it is well", async () => {
    let isWell = false;
    const stage = await start((req, res) => (isWell ? res.end("ok") : req.socket.destroy()), {
      limits: { circuitWindowMs: 5_000, circuitProbeMs: 50, circuitProbeMaxMs: 50 },
    });
    const statuses: number[] = [];
    while (statuses.at(-1) !== 503 && statuses.length < 50)
      statuses.push((await ask(stage.address, { method: "POST" })).status);
    expect(statuses.at(-1)).toBe(503);
    isWell = true;
    let status = 0;
    while (status !== 200) status = (await ask(stage.address)).status;
    expect(stage.upstream.circuit.state).toBe("closed");
  });
});
