import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "@jest/globals";
import { echo, readEcho } from "../test-support.js";
import { arrival, askHttp2, openSession, useHttp2Stages } from "./test-support.js";

const MIB = 1_024 * 1_024;

const { start } = useHttp2Stages();

describe("a client that speaks HTTP/2 at once", () => {
  it("is served as one that speaks HTTP/1.1: path, host, cookies, address, and what it may not say", async () => {
    const { session } = await start(echo);
    const { status, headers, body } = await askHttp2(session, "/a?b=c", {
      headers: { cookie: ["a=1", "b=2"], "x-a": "ä", "x-cellway-cell": "de1", "x-forwarded-for": "9.9.9.9" },
    });
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/json");
    expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    const asked = readEcho(body);
    expect([asked.method, asked.url]).toEqual(["GET", "/a?b=c"]);
    expect(asked.headers).toMatchObject({
      host: "us.example.test",
      cookie: "a=1; b=2",
      "x-a": "ä",
      "x-cellway-cell": "us1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "us.example.test",
      via: "2.0 test-edge",
    });
    expect(asked.headers["transfer-encoding"]).toBeUndefined();
  });

  it("has a body of a stated length and one of none sent on whole, with its trailers", async () => {
    const trailers: object[] = [];
    const { session } = await start((req, res) => {
      req.on("end", () => trailers.push(req.trailers));
      echo(req, res);
    });
    const post = { ":method": "POST" };
    const stated = await askHttp2(session, "/", { headers: { ...post, "content-length": 3 }, body: "abc" });
    const unstated = await askHttp2(session, "/", {
      headers: post,
      body: "abc",
      trailers: { "x-sum": "7", host: "evil" },
    });
    const empty = await askHttp2(session, "/", { headers: post });
    const asked = [stated, unstated, empty].map(({ body }) => readEcho(body));
    expect(asked.map(({ body }) => Buffer.from(body, "base64").toString())).toEqual(["abc", "abc", ""]);
    expect(asked[0]?.headers["content-length"]).toBe("3");
    expect(asked[1]?.headers["transfer-encoding"]).toBe("chunked");
    expect(trailers).toEqual([{}, { "x-sum": "7" }, {}]);
  });

  it("gets answers as they are: without a body, with trailers, with two cookies, and of HEAD", async () => {
    const { session } = await start((req, res) => {
      if (req.url === "/none") return void res.writeHead(204).end();
      if (req.url === "/old") return void res.writeHead(304, { etag: '"1"' }).end();
      if (req.method === "HEAD") return void res.writeHead(200, { "content-length": 4 }).end();
      res.writeHead(200, { "set-cookie": ["a=1", "b=2"], trailer: "x-sum", connection: "x-hop", "x-hop": "1" });
      res.addTrailers({ "x-sum": "7" });
      res.end("body");
    });
    const none = await askHttp2(session, "/none");
    expect([none.status, none.isHeadOnly]).toEqual([204, true]);
    const old = await askHttp2(session, "/old");
    expect([old.status, old.headers.etag, old.isHeadOnly]).toEqual([304, '"1"', true]);
    const whole = await askHttp2(session, "/");
    expect(whole.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(whole.headers["x-hop"]).toBeUndefined();
    expect([whole.body.toString(), whole.trailers["x-sum"]]).toEqual(["body", "7"]);
    const head = await askHttp2(session, "/", { headers: { ":method": "HEAD" } });
    expect([head.status, head.headers["content-length"], head.isHeadOnly]).toEqual([200, "4", true]);
  });

  it("has large bodies streamed both ways, many at a time", async () => {
    const { session, results } = await start((req, res) => void req.pipe(res));
    const body = Buffer.alloc(2 * MIB, "x");
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => askHttp2(session, "/", { headers: { ":method": "POST" }, body })),
    );
    for (const answer of answers) expect(answer.body.equals(body)).toBe(true);
    expect(results.map(({ status, code }) => [status, code])).toEqual(answers.map(() => [200, undefined]));
  });

  it("is not held up by uploads beside it that nobody reads", async () => {
    const stage = await start((req, res) => {
      if (req.url === "/fast") res.end("fast");
    });
    const stuck = Array.from({ length: 20 }, () => {
      const stream = stage.session.request({ ":method": "POST", ":path": "/stuck", ":authority": "a" });
      stream.on("error", () => {});
      stream.write(Buffer.alloc(MIB));
      return stream;
    });
    for (let count = 0; count < stuck.length; count += 1) await arrival(stage);
    for (let count = 0; count < 20; count += 1)
      expect((await askHttp2(stage.session, "/fast")).body.toString()).toBe("fast");
    for (const stream of stuck) stream.close();
  });

  it("sees a broken stream where an answer breaks off, never one that looks whole", async () => {
    const { session } = await start((_req, res) => {
      res.writeHead(200);
      res.write("half");
      setImmediate(() => res.destroy());
    });
    await expect(askHttp2(session, "/")).rejects.toThrow(/INTERNAL_ERROR|reset with 2/);
    await expect(askHttp2(session, "/")).rejects.toThrow(/INTERNAL_ERROR|reset with 2/);
  });

  it("sees a broken stream where an answer cannot be told in HTTP/2, and the next request is served", async () => {
    const { session } = await start((req, res) => {
      if (req.url === "/odd") req.socket.end("HTTP/1.1 999 Odd\r\ncontent-length: 3\r\n\r\nodd");
      else res.end("well");
    });
    await expect(askHttp2(session, "/odd")).rejects.toThrow(/INTERNAL_ERROR|reset with 2/);
    expect((await askHttp2(session, "/")).body.toString()).toBe("well");
  });

  it("gets a problem where its upstream gives no answer, and keeps its connection", async () => {
    const { session } = await start(echo, { origin: "http://127.0.0.1:1" });
    for (const body of [undefined, "abc"]) {
      const answer = await askHttp2(session, "/", body === undefined ? {} : { headers: { ":method": "POST" }, body });
      expect(answer.status).toBe(502);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: "UPSTREAM_UNREACHABLE" });
    }
  });

  it("that goes away ends its request upstream, and its place is free again", async () => {
    const stage = await start(() => {}, { limits: { inFlightMax: 1 } });
    for (let count = 0; count < 3; count += 1) {
      const stream = stage.session.request({ ":path": "/", ":authority": "a" });
      stream.on("error", () => {});
      const req = await arrival(stage);
      stream.close(8);
      await once(req.socket, "close");
    }
    expect(stage.results.map(({ status }) => status)).toEqual([499, 499, 499]);
  });

  it("that is lost in the middle of its body has nothing taken for whole", async () => {
    const stage = await start((req) => req.once("data", () => stage.server.emit("begun", req)));
    const ask = (headers: object) => {
      const socket = connect(Number(new URL(stage.address).port), "127.0.0.1");
      const session = openSession(stage.address, socket);
      const stream = session.request({ ":method": "POST", ":path": "/", ":authority": "a", ...headers });
      stream.on("error", () => {});
      stream.write("abc");
      return { socket, stream };
    };
    const streamed = ask({});
    const [req] = (await once(stage.server, "begun")) as [IncomingMessage];
    streamed.socket.destroy();
    await expect(once(req, "end")).rejects.toThrow("aborted");
    expect(req.complete).toBe(false);
    const kept = ask({ "content-length": 10 });
    await once(kept.socket, "connect");
    await new Promise((resolve) => kept.stream.session?.ping(resolve));
    kept.socket.destroy();
    while (stage.results.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(stage.results.map(({ status }) => status)).toEqual([499, 499]);
    expect(stage.upstream.admit()).toMatchObject({});
  });
});

it("closing tells clients of HTTP/2 to go, with nothing refused that is on its way, lets it finish and ends", async () => {
  const stage = await start((_req, res) => stage.server.emit("arrived", res));
  const answer = askHttp2(stage.session, "/");
  const [res] = (await once(stage.server, "arrived")) as [ServerResponse];
  const told = once(stage.session, "goaway");
  const closed = stage.edge.close({ graceMs: 10_000 });
  expect((await told).slice(0, 2)).toEqual([0, 2 ** 31 - 1]);
  res.end("done");
  expect((await answer).body.toString()).toBe("done");
  await closed;
});

it("closing ends what is over the time that it has", async () => {
  const stage = await start(() => {});
  const answer = askHttp2(stage.session, "/");
  answer.catch(() => {});
  await arrival(stage);
  await stage.edge.close({ graceMs: 100 });
  await expect(answer).rejects.toThrow(/reset with|closed with|ECONNRESET/);
});
