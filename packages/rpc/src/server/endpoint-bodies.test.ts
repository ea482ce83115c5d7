import { gzipSync } from "node:zlib";
import { createConnectRouter } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { describe, expect, it, jest } from "@jest/globals";
import { createNonceMemory } from "../signing/nonce-memory.js";
import { createVerifier } from "../signing/verifier.js";
import { createEndpoint, throwRefusal } from "./endpoint.js";
import {
  changePart,
  createSigned,
  createUs1,
  entered,
  LOCAL,
  MESSAGE_MAX_BYTES,
  NAMES,
  protocolOf,
  send,
  US1_KEYS,
} from "./test-support.js";

const asIs: Compression["compress"] = async (bytes) => Uint8Array.from(bytes);

describe.each(NAMES)("over %s", (name) => {
  const protocol = protocolOf(name);

  it("a body over the limit is RESOURCE_EXHAUSTED, and reading stops there", async () => {
    const us1 = createUs1();
    const sent = createSigned(protocol);
    let reads = 0;
    const endless = (async function* () {
      for (; reads < 1_000; reads += 1) yield new Uint8Array(1_024);
    })();
    const answer = await protocol.read(await send(us1, sent, endless));
    expect(answer.code).toBe("resource_exhausted");
    expect(answer.text).toContain("BODY_TOO_LARGE");
    expect(answer.text).toContain(String(MESSAGE_MAX_BYTES));
    expect(reads).toBeLessThan(10);
    expect(entered).not.toHaveBeenCalled();
  });

  it("a signed message that is larger than the limit once it is decompressed is RESOURCE_EXHAUSTED", async () => {
    const us1 = createUs1();
    const bomb = gzipSync(Buffer.alloc(1_024 * 1_024));
    expect(bomb.byteLength).toBeLessThan(MESSAGE_MAX_BYTES);
    const answer = await protocol.read(await send(us1, createSigned(protocol, { message: bomb, isCompressed: true })));
    expect(answer.code).toBe("resource_exhausted");
    expect(entered).not.toHaveBeenCalled();
  });

  it("a signed message that cannot be read is refused, and nothing entered", async () => {
    const us1 = createUs1();
    for (const options of [
      { message: Buffer.from([0xff, 0xff, 0xff]) },
      { message: Buffer.from([0xff, 0xff, 0xff]), isCompressed: true },
    ]) {
      expect((await protocol.read(await send(us1, createSigned(protocol, options)))).code).toMatch(
        /^(invalid_argument|internal)$/,
      );
    }
    expect(entered).not.toHaveBeenCalled();
    expect(await protocol.read(await send(us1, createSigned(protocol)))).toMatchObject({ code: "ok" });
  });

  it("nothing of an unverified request is decompressed or parsed", async () => {
    const gzip = { name: "gzip", compress: jest.fn(asIs), decompress: jest.fn(asIs) };
    const parsed = jest.fn();
    const router = createConnectRouter({
      acceptCompression: [gzip],
      requestGate: throwRefusal,
      interceptors: [(next) => (req) => (parsed(), next(req))],
    });
    router.service(LOCAL, { get: entered } as never);
    const onRefused = jest.fn();
    const us1 = createEndpoint({
      contract: "0.2.0;0123456789abcdef",
      handlers: router.handlers.map((handler) => ({ handler, name: `local.${handler.method.name}`, guard: "signed" })),
      verifier: createVerifier({
        silo: "us1",
        keys: US1_KEYS,
        nonces: createNonceMemory({ windowMs: 1 }),
        tokensAllowed: false,
        onRefused,
      }),
      messageMaxBytes: MESSAGE_MAX_BYTES,
    });
    entered.mockClear();

    const bomb = createSigned(protocol, { message: gzipSync(Buffer.alloc(1_024 * 1_024)), isCompressed: true });
    const unsigned = { ...bomb, header: new Headers(bomb.header) };
    unsigned.header.delete("authorization");
    const forged = { ...bomb, header: new Headers(bomb.header) };
    changePart(forged.header, 5, () => "A".repeat(43));
    for (const sent of [unsigned, forged])
      expect(await protocol.read(await send(us1, sent))).toMatchObject({ code: "unauthenticated" });
    expect(onRefused.mock.calls).toEqual([["SIGNATURE_MISSING"], ["SIGNATURE_INVALID"]]);
    for (const touched of [gzip.decompress, parsed, entered]) expect(touched).not.toHaveBeenCalled();

    // The same with the right signature is decompressed, so the above could have failed.
    await protocol.read(await send(us1, bomb));
    expect(gzip.decompress).toHaveBeenCalledTimes(1);
  });
});
