import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { describe, expect, it } from "@jest/globals";
import { callTo, createGate, createScope } from "../network/test-support.js";
import type { RpcLimits } from "../settings.js";
import { createSigned, createUs1, entered, MESSAGE_MAX_BYTES, protocolOf, send } from "./test-support.js";

const connect = protocolOf("Connect");
const withLimits = (limits: Partial<RpcLimits>) =>
  createUs1({ limits: { messageMaxBytes: MESSAGE_MAX_BYTES, ...limits } });

/** A body that gives one piece and then no more until it is let go. */
function createHeldBody(piece: Uint8Array) {
  const started = createGate();
  const rest = createGate<Uint8Array>();
  const body = (async function* () {
    yield piece;
    started.open();
    yield await rest.opened;
  })();
  return { body, started: started.opened, finish: rest.open };
}

describe("before a request is verified", () => {
  it("all bodies together get a bounded memory, and what is refused or verified gives its part back", async () => {
    const us1 = withLimits({ unverifiedMaxBytes: 4_000 });
    const held = createHeldBody(new Uint8Array(2_800));
    const first = send(us1, createSigned(connect), held.body);
    await held.started;
    const second = createAsyncIterable([new Uint8Array(1_000)]);
    const refused = await connect.read(await send(us1, createSigned(connect), second));
    expect(refused.code).toBe("resource_exhausted");
    expect(refused.text).toContain("UNVERIFIED_LIMIT");
    held.finish(new Uint8Array(1));
    expect(await connect.read(await first)).toMatchObject({ code: "unauthenticated" });
    for (let call = 0; call < 50; call += 1)
      expect(await connect.read(await send(us1, createSigned(connect)))).toMatchObject({ code: "ok" });
  });

  it("a body in tiny pieces counts with what it takes in memory", async () => {
    const us1 = withLimits({ unverifiedMaxBytes: 10_000 });
    const tiny = (async function* () {
      for (let at = 0; at < 1_000; at += 1) yield new Uint8Array(1);
    })();
    expect((await connect.read(await send(us1, createSigned(connect), tiny))).text).toContain("UNVERIFIED_LIMIT");
  });

  it("a body that does not come in time is DEADLINE_EXCEEDED, and its part is free again", async () => {
    const us1 = withLimits({ unverifiedMaxBytes: 4_000, bodyTimeoutMs: 60 });
    const held = createHeldBody(new Uint8Array(3_500));
    const answer = await connect.read(await send(us1, createSigned(connect), held.body));
    expect(answer.code).toBe("deadline_exceeded");
    expect(answer.text).toContain("BODY_TIMEOUT");
    expect(await connect.read(await send(us1, createSigned(connect)))).toMatchObject({ code: "ok" });
    expect(entered).toHaveBeenCalledTimes(1);
  });

  it("a slow body on a connection is answered in time, and the connection serves on", async () => {
    const scope = createScope();
    try {
      const network = scope.network();
      const listener = await scope.listen(network, withLimits({ bodyTimeoutMs: 60 }));
      const session = connectHttp2(listener.address);
      scope.defer(() => session.destroy());
      const slow = createSigned(connect);
      const stream = session.request({ ...Object.fromEntries(slow.header), ":method": "POST", ":path": slow.path });
      stream.write("x");
      const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
      expect(answer[":status"]).toBe(504);
      stream.destroy();
      const { path, body, header } = createSigned(connect);
      const call = callTo(listener.address, path, { header: Object.fromEntries(header), body });
      expect((await network.post(call)).status).toBe(200);
    } finally {
      await scope.close();
    }
  });
});
