import { once } from "node:events";
import {
  type ClientHttp2Session,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { startEdgeServer } from "./edge-server.js";
import { askHttp2, type Http2Answered, type Http2Question, openSession } from "./http2-test-support.js";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./limits.js";
import { type ProxyOptions, type ProxyResult, proxyRequest } from "./proxy-request.js";
import { echo, startStage } from "./test-support.js";
import { Upstream } from "./upstream.js";

const METHOD = "/acme.v1.Notes/Watch";
const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };
const CANCEL = 8;

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

/** A server of gRPC, which stands for somebody else's. */
class GrpcServer {
  readonly sessions = new Set<ServerHttp2Session>();
  readonly server: Http2Server = createServer({ maxSessionMemory: 1_000 });
  origin = "";

  static async start(serve: Serve): Promise<GrpcServer> {
    const one = new GrpcServer();
    one.server.on("session", (session) => {
      one.sessions.add(session);
      session.on("close", () => one.sessions.delete(session));
    });
    one.server.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      serve(stream, headers);
    });
    one.server.listen(0, "127.0.0.1");
    await once(one.server, "listening");
    one.origin = `http://127.0.0.1:${(one.server.address() as AddressInfo).port}`;
    undo.push(() => one.stop());
    return one;
  }

  hangUp(): void {
    for (const session of this.sessions) session.destroy();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }
}

interface Stage {
  readonly session: ClientHttp2Session;
  readonly upstream: Upstream;
  readonly results: ProxyResult[];
  call(question?: Http2Question): Promise<Http2Answered>;
}

async function startEdge(
  origin: string,
  { limits = {}, ...options }: Partial<ProxyOptions> & { limits?: Partial<ProxyLimits> } = {},
): Promise<Stage> {
  const upstream = new Upstream("us1", origin, { ...DEFAULT_PROXY_LIMITS, ...limits });
  const results: ProxyResult[] = [];
  const target = { upstream, headers: ["x-cellway-cell", "us1"] };
  const edge = await startEdgeServer("http://127.0.0.1:0", {
    onRequest: (req, res) =>
      void proxyRequest(req, res, { name: "test-edge", ...options, target }).then((result) => results.push(result)),
    onUpgrade: () => {},
  });
  const session = openSession(edge.address);
  undo.push(async () => {
    session.destroy();
    await edge.close({ graceMs: 100 });
    upstream.close();
  });
  return {
    session,
    upstream,
    results,
    call: ({ headers, ...rest } = {}) =>
      askHttp2(session, METHOD, { body: "", ...rest, headers: { ...GRPC, ...headers } }),
  };
}

/** Answers as a server of gRPC does. */
function answer(stream: ServerHttp2Stream, body: Buffer | string, status = 0): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc", "x-header": "a" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status), "x-trailer-bin": "AAE" }));
  stream.end(body);
}

function readWhole(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    stream.on("end", () => resolve(Buffer.concat(chunks)));
  });
}

describe("a call of gRPC", () => {
  it("goes to its upstream over HTTP/2, with what the client said, and comes back with its trailers", async () => {
    let asked: IncomingHttpHeaders = {};
    const server = await GrpcServer.start(async (stream, headers) => {
      asked = headers;
      answer(stream, await readWhole(stream));
    });
    const { call } = await startEdge(server.origin);
    const { status, headers, body, trailers } = await call({
      headers: { "grpc-timeout": "5S", "x-cellway-cell": "de1", authorization: "Bearer a" },
      body: "\0\0\0\0\x01a",
    });
    expect([status, headers["content-type"], headers["x-header"]]).toEqual([200, "application/grpc", "a"]);
    expect(body.toString()).toBe("\0\0\0\0\x01a");
    expect(trailers).toMatchObject({ "grpc-status": "0", "x-trailer-bin": "AAE" });
    expect(asked).toMatchObject({
      ":method": "POST",
      ":path": METHOD,
      ":authority": "us.example.test",
      te: "trailers",
      "grpc-timeout": "5S",
      authorization: "Bearer a",
      "x-cellway-cell": "us1",
      "x-forwarded-for": "127.0.0.1",
      via: "2.0 test-edge",
    });
    expect(asked["x-request-id"]).toBe(headers["x-request-id"]);
  });

  it("is answered while it is still asked, in both directions, message by message", async () => {
    const server = await GrpcServer.start((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.on("data", (chunk: Buffer) => stream.write(`echo ${chunk}`));
      stream.on("end", () => stream.end());
    });
    const { session } = await startEdge(server.origin);
    const stream = session.request({ ...GRPC, ":path": METHOD, ":authority": "a" });
    expect((await once(stream, "response"))[0]).toMatchObject({ ":status": 200 });
    for (const word of ["one", "two", "three"]) {
      stream.write(word);
      expect(String((await once(stream, "data"))[0])).toBe(`echo ${word}`);
    }
    const trailers = once(stream, "trailers");
    stream.end();
    stream.resume();
    expect((await trailers)[0]).toMatchObject({ "grpc-status": "0" });
  });

  it("that is refused by its upstream in a head alone is answered so", async () => {
    const server = await GrpcServer.start((stream) =>
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": "5", "grpc-message": "no" },
        { endStream: true },
      ),
    );
    const { call, results } = await startEdge(server.origin);
    const { headers, isHeadOnly } = await call();
    expect([headers["grpc-status"], headers["grpc-message"], isHeadOnly]).toEqual(["5", "no", true]);
    expect(results).toMatchObject([{ status: 200, code: undefined }]);
  });

  it("may be as large as it likes, both ways, at the speed of the slower side", async () => {
    const server = await GrpcServer.start((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.pipe(stream);
    });
    const { call } = await startEdge(server.origin);
    const body = Buffer.alloc(8 * 1_024 * 1_024, "x");
    const answers = await Promise.all(Array.from({ length: 4 }, () => call({ body })));
    for (const one of answers) expect(one.body.equals(body)).toBe(true);
  });

  it("that the client ends is ended upstream, with nothing counted against the upstream", async () => {
    const closed: number[] = [];
    const server = await GrpcServer.start((stream) => {
      stream.on("close", () => closed.push(stream.rstCode));
      server.server.emit("begun");
    });
    const { session, results, upstream } = await startEdge(server.origin, {
      limits: { inFlightMax: 1, circuitMinCallsPerSecond: 0 },
    });
    for (let count = 0; count < 5; count += 1) {
      const begun = once(server.server, "begun");
      const stream = session.request({ ...GRPC, ":path": METHOD, ":authority": "a" });
      stream.on("error", () => {});
      stream.write("abc");
      await begun;
      stream.close(CANCEL);
      while (closed.length <= count) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(closed).toEqual([CANCEL, CANCEL, CANCEL, CANCEL, CANCEL]);
    expect(results.map(({ status }) => status)).toEqual([499, 499, 499, 499, 499]);
    expect(upstream.circuit.state).toBe("closed");
  });

  it("that its upstream resets is broken for the client, and counts against nobody; a lost connection does", async () => {
    let isReset = true;
    const server = await GrpcServer.start((stream) => {
      if (isReset) stream.close(CANCEL);
      else server.hangUp();
    });
    const { call, results, upstream } = await startEdge(server.origin, { limits: { circuitMinCallsPerSecond: 0 } });
    for (let count = 0; count < 5; count += 1) expect((await call()).headers).toMatchObject({ "grpc-status": "14" });
    expect(upstream.circuit.state).toBe("closed");
    isReset = false;
    for (let count = 0; count < 5; count += 1) expect((await call()).headers).toMatchObject({ "grpc-status": "14" });
    expect(upstream.circuit.state).toBe("open");
    const codes = results.map(({ code }) => code);
    expect(codes.slice(0, 5)).toEqual(codes.slice(0, 5).map(() => "UPSTREAM_BROKEN"));
    expect(codes.at(-1)).toBe("UPSTREAM_CIRCUIT_OPEN");
  });

  it("whose answer breaks off never looks whole", async () => {
    const server = await GrpcServer.start((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.write("half");
      setImmediate(() => server.hangUp());
    });
    const { call, results } = await startEdge(server.origin);
    await expect(call()).rejects.toThrow(/INTERNAL_ERROR|reset with 2/);
    expect(results).toMatchObject([{ status: 200, code: "UPSTREAM_BROKEN" }]);
  });

  it("that is silent for too long is ended; one in which somebody speaks goes on", async () => {
    const server = await GrpcServer.start((stream, headers) => {
      if (headers["x-talk"] === undefined) return;
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      let count = 0;
      const talk = setInterval(() => {
        stream.write("word");
        count += 1;
        if (count < 6) return;
        clearInterval(talk);
        stream.end();
      }, 50);
    });
    const { call } = await startEdge(server.origin, { limits: { idleTimeoutMs: 200 } });
    const [silent, talking] = await Promise.all([call(), call({ headers: { "x-talk": "1" } })]);
    expect(silent.headers).toMatchObject({
      "grpc-status": "14",
      "grpc-message": expect.stringContaining("UPSTREAM_TIMEOUT"),
    });
    expect([silent.isHeadOnly, talking.body.toString()]).toEqual([true, "word".repeat(6)]);
  });

  it("for which there is no upstream is UNAVAILABLE, in a head alone; too many at a time as well", async () => {
    const away = await startEdge("http://127.0.0.1:1");
    const { status, headers, isHeadOnly } = await away.call();
    expect([status, headers["grpc-status"], isHeadOnly]).toEqual([200, "14", true]);
    expect(headers["grpc-message"]).toMatch(/^UPSTREAM_UNREACHABLE: us1 cannot be reached/);
    const server = await GrpcServer.start(() => {});
    const full = await startEdge(server.origin, { limits: { inFlightMax: 0 } });
    expect((await full.call()).headers).toMatchObject({ "grpc-status": "14", "retry-after": "1" });
  });

  it("to an upstream that speaks HTTP/1.1 alone is UNIMPLEMENTED, and counts against nobody", async () => {
    const stage = await startStage(echo);
    undo.push(() => stage.stop());
    const { call, upstream, results } = await startEdge(stage.origin, { limits: { circuitMinCallsPerSecond: 0 } });
    for (let count = 0; count < 5; count += 1)
      expect((await call()).headers).toMatchObject({
        "grpc-status": "12",
        "grpc-message": "UPSTREAM_WITHOUT_HTTP2: us1 does not speak HTTP/2 at its HTTP address, and gRPC needs it.",
      });
    expect(results.map(({ code }) => code)).toEqual(results.map(() => "UPSTREAM_WITHOUT_HTTP2"));
    expect(upstream.circuit.state).toBe("closed");
  });
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
