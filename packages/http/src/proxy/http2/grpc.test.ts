import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http2";
import { afterEach, describe, expect, it } from "@jest/globals";
import { echo, startStage } from "../test-support.js";
import { answer, GRPC, GrpcServer, METHOD, readWhole, startEdge, undo } from "./test-support.js";

const CANCEL = 8;

afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

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
      stream.on("data", (chunk: Buffer) => stream.write(`echo ${chunk.toString()}`));
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

  it("that is here as a whole before it is known where it goes is sent on as a whole", async () => {
    const server = await GrpcServer.start(async (stream) => answer(stream, await readWhole(stream)));
    const { call } = await startEdge(server.origin, {
      before: async (req) => {
        while (!req.complete) await new Promise((resolve) => setImmediate(resolve));
      },
    });
    for (const headers of [{}, { "content-length": 3 }])
      expect((await call({ headers, body: "abc" })).body.toString()).toBe("abc");
    expect((await call()).body.byteLength).toBe(0);
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
