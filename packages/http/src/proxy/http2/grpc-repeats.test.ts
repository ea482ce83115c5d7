import { once } from "node:events";
import { afterEach, describe, expect, it } from "@jest/globals";
import { DEFAULT_PROXY_LIMITS } from "../limits.js";
import { Upstream } from "../upstream.js";
import { answer, GRPC, GrpcServer, METHOD, readWhole, type Serve, startEdge, undo } from "./test-support.js";

afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

describe("a call of gRPC that its upstream says is another's", () => {
  const misdirect: Serve = (stream) => stream.respond({ ":status": 421, "x-cellway-cell": "us2" }, { endStream: true });

  it("is sent there, once, with all that was sent of it, while it goes on", async () => {
    const wrong = await GrpcServer.start(async (stream, headers) => {
      if (headers["x-long"] !== undefined) await once(stream, "data");
      misdirect(stream, headers);
    });
    const right = await GrpcServer.start(async (stream) => answer(stream, await readWhole(stream)));
    const upstream = new Upstream("us2", right.origin, DEFAULT_PROXY_LIMITS);
    undo.push(() => upstream.close());
    const said: (string | undefined)[] = [];
    const { call, session, results } = await startEdge(wrong.origin, {
      onMisdirected: async ({ header, isRepeatable }) => {
        said.push(header("x-cellway-cell"), String(isRepeatable));
        return { upstream, headers: ["x-cellway-cell", "us2"] };
      },
    });
    expect((await call({ body: "short" })).body.toString()).toBe("short");
    const stream = session.request({ ...GRPC, ":path": METHOD, ":authority": "a", "x-long": "1" });
    stream.write("one ");
    while (said.length < 4) await new Promise((resolve) => setImmediate(resolve));
    stream.write("two ");
    stream.end("three");
    let body = "";
    stream.on("data", (chunk) => {
      body += chunk;
    });
    await once(stream, "end");
    expect(body).toBe("one two three");
    expect(said).toEqual(["us2", "true", "us2", "true"]);
    expect(results.map(({ repeats, upstream: { name } }) => [repeats, name])).toEqual([
      [1, "us2"],
      [1, "us2"],
    ]);
  });

  it("cannot be sent again once more was sent than is kept", async () => {
    const wrong = await GrpcServer.start(async (stream, headers) => {
      await readWhole(stream);
      misdirect(stream, headers);
    });
    const said: boolean[] = [];
    const { call } = await startEdge(wrong.origin, {
      onMisdirected: async ({ isRepeatable }) => {
        said.push(isRepeatable);
        return { status: 503, code: "ROUTE_CHANGED", title: "Route changed", detail: "Repeat it." };
      },
    });
    const { headers } = await call({ body: Buffer.alloc(100_000) });
    expect(headers).toMatchObject({ "grpc-status": "14", "grpc-message": "ROUTE_CHANGED: Repeat it." });
    expect(said).toEqual([false]);
  });
});

it("a call that may be sent again is, when its upstream refuses the stream unread", async () => {
  let count = 0;
  const server = await GrpcServer.start(async (stream) => {
    count += 1;
    if (count === 1) stream.close(7);
    else answer(stream, await readWhole(stream));
  });
  const { call, results } = await startEdge(server.origin);
  expect((await call({ body: "abc" })).body.toString()).toBe("abc");
  expect(results).toMatchObject([{ status: 200, repeats: 1 }]);
});

it("connections to an upstream that nobody calls any more end, and one that nobody ever called", async () => {
  const server = await GrpcServer.start(async (stream) => answer(stream, await readWhole(stream)));
  const { call, upstream } = await startEdge(server.origin, { limits: { http2IdleMs: 100, http2SessionsMax: 1 } });
  expect(await upstream.speaksHttp2()).toBe(true);
  while (server.sessions.size > 0) await new Promise((resolve) => setImmediate(resolve));
  for (let count = 0; count < 2; count += 1) {
    await Promise.all([call(), call()]);
    expect(server.sessions.size).toBe(1);
    while (server.sessions.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }
});

it("connections to an upstream that is given up end with their calls", async () => {
  const server = await GrpcServer.start(async (stream) => {
    if ((await readWhole(stream)).toString() === "slow") await once(server.server, "go");
    answer(stream, "done");
  });
  const { call, upstream } = await startEdge(server.origin, { limits: { http2SessionsMax: 1 } });
  const begun = once(server.server, "stream");
  const slow = call({ body: "slow" });
  await begun;
  upstream.retire();
  expect((await call({ body: "quick" })).body.toString()).toBe("done");
  server.server.emit("go");
  expect((await slow).body.toString()).toBe("done");
  while (server.sessions.size > 0) await new Promise((resolve) => setImmediate(resolve));
});
