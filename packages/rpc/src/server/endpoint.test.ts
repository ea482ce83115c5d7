import { gzipSync } from "node:zlib";
import { describe, expect, it } from "@jest/globals";
import {
  bytesOf,
  changePart,
  createSigned,
  createUs1,
  decodeDetails,
  entered,
  envelope,
  GET,
  NAMES,
  protocolOf,
  requestItem,
  type Sent,
  send,
  sign,
} from "./test-support.js";

describe.each(NAMES)("over %s", (name) => {
  const protocol = protocolOf(name);

  it("a signed request enters the implementation, once", async () => {
    const us1 = createUs1();
    const answer = await protocol.read(await send(us1, createSigned(protocol)));
    expect(answer.code).toBe("ok");
    expect(answer.text).toContain("for us1");
    expect(entered).toHaveBeenCalledTimes(1);
  });

  it("a signed request may be compressed: the signature is over what crosses the wire", async () => {
    const us1 = createUs1();
    const sent = createSigned(protocol, { message: gzipSync(protocol.serialize(requestItem())), isCompressed: true });
    expect(await protocol.read(await send(us1, sent))).toMatchObject({ code: "ok" });
    expect(entered).toHaveBeenCalledTimes(1);
  });

  it.each<[string, string, (sent: Sent) => void]>([
    [
      "a byte of the body",
      "SIGNATURE_INVALID",
      ({ body }) => body.set([(body[body.length - 1] ?? 0) ^ 1], body.length - 1),
    ],
    ["a byte of the path", "SIGNATURE_INVALID", (sent) => (sent.path = "/test.Local/Find")],
    ["the timestamp", "SIGNATURE_INVALID", ({ header }) => changePart(header, 1, (at) => String(Number(at) - 1))],
    ["the nonce", "SIGNATURE_INVALID", ({ header }) => changePart(header, 2, () => "A".repeat(22))],
    ["the caller", "SIGNATURE_INVALID", ({ header }) => changePart(header, 3, () => "monolith")],
    ["the audience", "AUDIENCE_MISMATCH", ({ header }) => changePart(header, 4, () => "us2")],
    ["the key id", "SIGNATURE_KEY_UNKNOWN", ({ header }) => changePart(header, 0, () => "k2")],
    ["the signature, taken away", "SIGNATURE_MISSING", ({ header }) => header.delete("authorization")],
    [
      "the signature, to something else",
      "SIGNATURE_MALFORMED",
      ({ header }) => header.set("authorization", "Basic YTpi"),
    ],
    ["the viewer, added", "SIGNATURE_INVALID", ({ header }) => header.set("x-cellway-viewer", "kind=user&user_id=1")],
  ])(
    "a request changed in %s is UNAUTHENTICATED / %s, and the implementation is not entered",
    async (_what, reason, change) => {
      const us1 = createUs1();
      const sent = createSigned(protocol);
      sent.body = Uint8Array.from(sent.body);
      change(sent);
      const answer = await protocol.read(await send(us1, sent));
      expect(answer.code).toBe("unauthenticated");
      expect(answer.text).toContain(reason);
      expect(entered).not.toHaveBeenCalled();
    },
  );

  it("a request that comes twice is served once", async () => {
    const us1 = createUs1();
    const sent = createSigned(protocol);
    await send(us1, { ...sent, header: new Headers(sent.header) });
    const answer = await protocol.read(await send(us1, sent));
    expect(answer.code).toBe("unauthenticated");
    expect(answer.text).toContain("SIGNATURE_REPLAYED");
    expect(entered).toHaveBeenCalledTimes(1);
  });

  it("not a byte of the body of a request is read when its headers are enough to refuse it", async () => {
    const us1 = createUs1();
    const sent = createSigned(protocol);
    sent.header.delete("authorization");
    let reads = 0;
    const body = (async function* () {
      reads += 1;
      yield sent.body;
    })();
    expect(await protocol.read(await send(us1, sent, body))).toMatchObject({ code: "unauthenticated" });
    expect(reads).toBe(0);
  });
});

describe("what is not served", () => {
  it("a path that nobody serves is 404, signed or not, and nothing of it is read", async () => {
    const us1 = createUs1();
    const sent = createSigned(protocolOf("Connect"));
    for (const path of [
      "/test.Local/Nothing",
      "/test.Other/Get",
      "/",
      "",
      "/test.Local/Get/",
      "//test.Local/Get",
      "/test.local/get",
    ]) {
      let reads = 0;
      const body = (async function* () {
        reads += 1;
        yield sent.body;
      })();
      expect((await send(us1, { ...sent, path }, body)).status).toBe(404);
      expect(reads).toBe(0);
    }
  });

  it.each(["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "post"])(
    "%s is 405, also of a method without side effects",
    async (method) => {
      const us1 = createUs1();
      const sent = createSigned(protocolOf("Connect"));
      for (const path of [GET, `${GET}?connect=v1&encoding=json&message=%7B%22cell%22%3A%22us1%22%7D`]) {
        expect((await send(us1, { ...sent, method, path })).status).toBe(405);
      }
      expect(entered).not.toHaveBeenCalled();
    },
  );

  it("a content type that no protocol has is 415", async () => {
    const us1 = createUs1();
    const sent = createSigned({ ...protocolOf("Connect"), contentType: "text/plain" });
    expect((await send(us1, sent)).status).toBe(415);
    expect(entered).not.toHaveBeenCalled();
  });
});

describe("a stream over Connect", () => {
  const createStream = () => {
    const sent = createSigned({
      ...protocolOf("Connect"),
      contentType: "application/connect+proto",
      frame: (message) => envelope(message, 0),
    });
    sent.path = "/test.Local/Watch";
    sign(sent);
    return sent;
  };

  it("is served when it is signed", async () => {
    const response = await send(createUs1(), createStream());
    expect((await bytesOf(response)).toString()).toContain("for us1");
  });

  it("is refused in its last envelope when it is not", async () => {
    const sent = createStream();
    sent.body = Buffer.concat([sent.body, Buffer.from([0])]);
    const text = (await bytesOf(await send(createUs1(), sent))).toString();
    expect(text).toContain('"code":"unauthenticated"');
    expect(decodeDetails(text)).toContain("SIGNATURE_INVALID");
    expect(entered).not.toHaveBeenCalled();
  });
});
