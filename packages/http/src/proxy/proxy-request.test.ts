import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import { type AddressInfo, BlockList } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { DEFAULT_PROXY_LIMITS } from "./limits.js";
import { ask, echo, problemIn, readEcho, type Stage, startStage } from "./test-support.js";
import { Upstream } from "./upstream.js";

const stages: Stage[] = [];
async function start(...args: Parameters<typeof startStage>): Promise<Stage> {
  const stage = await startStage(...args);
  stages.push(stage);
  return stage;
}
afterEach(async () => {
  await Promise.all(stages.splice(0).map((stage) => stage.stop()));
});

describe("a request that is sent on", () => {
  it("arrives with its method, path, query, host and body, whether the body is small, large or of unknown length", async () => {
    const { address } = await start(echo);
    for (const size of [0, 10, 200_000]) {
      const body = Buffer.alloc(size, 7);
      const answer = readEcho(
        (await ask(`${address}/a/b?c=%2F`, { method: "POST", body, headers: { host: "us.example.test" } })).body,
      );
      expect(answer).toMatchObject({ method: "POST", url: "/a/b?c=%2F", body: body.toString("base64") });
      expect(answer.headers.host).toBe("us.example.test");
    }
    const chunked = await ask(address, { method: "PUT", body: "abc", headers: { "transfer-encoding": "chunked" } });
    expect(readEcho(chunked.body).body).toBe(Buffer.from("abc").toString("base64"));
  });

  it("leaves behind what belongs to the connection, also what Connection names, and what only edges may say", async () => {
    const { address } = await start(echo);
    const answer = await ask(address, {
      headers: {
        connection: "close, x-secret-hop, host",
        "x-secret-hop": "1",
        "keep-alive": "9",
        te: "trailers",
        "x-cellway-cell": "de1",
        "x-cellway-explain": "token",
        "proxy-authorization": "x",
        "x-kept": "yes",
      },
    });
    const { headers } = readEcho(answer.body);
    expect(headers).toMatchObject({ "x-kept": "yes", "x-cellway-cell": "us1" });
    expect(headers.host).toBeDefined();
    for (const name of ["x-secret-hop", "te", "keep-alive", "x-cellway-explain", "proxy-authorization"])
      expect(headers[name]).toBeUndefined();
  });

  it("says who sent it: a stranger's forwarding headers are replaced, a trusted proxy's are added to", async () => {
    const said = {
      "x-forwarded-for": "1.2.3.4",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "public.test",
      forwarded: "for=1.2.3.4",
      "x-real-ip": "1.2.3.4",
    };
    const strict = await start(echo);
    const { headers } = readEcho((await ask(strict.address, { headers: { ...said, host: "us.test" } })).body);
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "us.test",
    });
    expect(headers.forwarded).toBe('for=127.0.0.1;host="us.test";proto=http');
    expect(headers["x-real-ip"]).toBeUndefined();
    const trustedProxies = new BlockList();
    trustedProxies.addSubnet("127.0.0.0", 8);
    const trusting = await start(echo, { trustedProxies });
    const trusted = readEcho((await ask(trusting.address, { headers: { ...said, host: "us.test" } })).body).headers;
    expect(trusted).toMatchObject({
      "x-forwarded-for": "1.2.3.4, 127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "public.test",
    });
  });

  it("keeps a request id and the trace, makes an id where there is none or a wrong one, and answers with it", async () => {
    const { address } = await start(echo);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const kept = await ask(address, { headers: { "x-request-id": "req-1", traceparent } });
    expect(readEcho(kept.body).headers).toMatchObject({ "x-request-id": "req-1", traceparent });
    expect(kept.headers["x-request-id"]).toBe("req-1");
    const made = await ask(address, { headers: { "x-request-id": "a b" } });
    expect(made.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is refused when it has been here before", async () => {
    const { address } = await start(echo);
    const answer = await ask(address, { headers: { via: "1.1 other, 1.1 test-edge" } });
    expect([answer.status, problemIn(answer).code]).toEqual([508, "REQUEST_LOOP"]);
  });
});

describe("an answer", () => {
  it("comes with its status, headers (each as often as it was), trailers and body, without what belongs to the connection", async () => {
    const { address } = await start((_req, res) => {
      res.writeHead(
        201,
        "Made",
        [
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"],
          ["x-latin", "caf\u00e9"],
          ["trailer", "x-sum"],
          ["x-cellway-route-epoch", "7"],
          ["connection", "x-hop"],
          ["x-hop", "1"],
        ].flat(),
      );
      res.write("body");
      res.addTrailers({ "x-sum": "42" });
      res.end();
    });
    const answer = await ask(address);
    expect(answer).toMatchObject({ status: 201, trailers: { "x-sum": "42" } });
    expect(answer.headers).toMatchObject({ "set-cookie": ["a=1", "b=2"], "x-latin": "caf\u00e9" });
    expect(answer.headers["x-hop"]).toBeUndefined();
    expect(answer.headers["x-cellway-route-epoch"]).toBeUndefined();
  });

  it("comes as it is written: a server-sent event is here before the next one is", async () => {
    let write: (text: string) => void = () => {};
    const { address } = await start((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
      write = (text) => void res.write(text);
    });
    const [res] = (await once(get(address, { agent: false }), "response")) as [IncomingMessage];
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      write(event);
      expect(String((await once(res, "data"))[0])).toBe(event);
    }
    res.destroy();
  });

  it("of 304, 204 and to HEAD has no body and leaves the connection good", async () => {
    const { address } = await start((req, res) => res.writeHead(req.url === "/304" ? 304 : 204, { etag: "x" }).end());
    expect((await ask(`${address}/304`)).status).toBe(304);
    expect((await ask(`${address}/204`)).status).toBe(204);
    expect((await ask(address, { method: "HEAD" })).body.byteLength).toBe(0);
  });

  it("is not read faster than the client takes it", async () => {
    let sent = 0;
    const { address } = await start((_req, res) => {
      const chunk = Buffer.alloc(64 * 1_024);
      const more = () => {
        while (sent < 512 * chunk.byteLength) {
          sent += chunk.byteLength;
          if (!res.write(chunk)) return;
        }
        res.end();
      };
      res.on("drain", more);
      more();
    });
    const [res] = (await once(get(address, { agent: false }), "response")) as [IncomingMessage];
    // Nobody reads: what was sent comes to rest far below the whole when every buffer on the way is full.
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(sent).toBeLessThan(24 * 1_024 * 1_024);
    let got = 0;
    res.on("data", (chunk: Buffer) => {
      got += chunk.byteLength;
    });
    await once(res, "end");
    expect(got).toBe(512 * 64 * 1_024);
  });
});

describe("an answer of 421", () => {
  it("is sent on where nobody asks for it", async () => {
    const { address } = await start((_req, res) => res.writeHead(421).end("elsewhere"));
    expect(await ask(address)).toMatchObject({ status: 421, body: Buffer.from("elsewhere") });
  });

  it("has the request sent to where it belongs, once, with the same body", async () => {
    const home = createServer(echo).listen(0, "127.0.0.1");
    await once(home, "listening");
    const upstream = new Upstream(
      "us2",
      `http://127.0.0.1:${(home.address() as AddressInfo).port}`,
      DEFAULT_PROXY_LIMITS,
    );
    const { address, results } = await start((_req, res) => res.writeHead(421, { "x-cellway-cell": "us2" }).end("no"), {
      onMisdirected: ({ header, isRepeatable }) => {
        expect([header("X-Cellway-Cell".toLowerCase()), isRepeatable]).toEqual(["us2", true]);
        return Promise.resolve({ upstream, headers: ["x-cellway-cell", "us2"] });
      },
    });
    const answer = await ask(address, { method: "POST", body: "once" });
    expect(readEcho(answer.body)).toMatchObject({
      body: Buffer.from("once").toString("base64"),
      headers: { "x-cellway-cell": "us2" },
    });
    expect(results[0]).toMatchObject({ status: 200, repeats: 1, upstream });
    upstream.close();
    home.closeAllConnections();
    home.close();
  });
});
