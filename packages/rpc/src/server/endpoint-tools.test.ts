import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HealthCheckRequestSchema, HealthCheckResponseSchema } from "@cellway/gen/grpc/health/v1/health";
import { describe, expect, it } from "@jest/globals";
import { mintToken } from "../signing/token.js";
import {
  bytesOf,
  CONTROL_KEYS,
  createUs1,
  entered,
  envelope,
  GET,
  protocolOf,
  requestItem,
  type Sent,
  send,
  sign,
} from "./test-support.js";

describe("the tools of others", () => {
  const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const gRPC = protocolOf("gRPC");
  const ask = (path: string, authorization?: string): Sent => {
    const header = new Headers({
      "content-type": gRPC.contentType,
      ...(authorization === undefined ? {} : { authorization }),
    });
    // list_services: ""
    return { path, method: "POST", header, body: envelope(Uint8Array.of(0x3a, 0x00), 0) };
  };
  const bearer = (method: string) =>
    `Bearer ${mintToken(CONTROL_KEYS, { caller: "control", audience: "us1", method, expiresAtMs: Date.now() + 60_000 })}`;

  it("learn from anybody's silo whether it is well", async () => {
    const message = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema));
    const sent = { ...ask("/grpc.health.v1.Health/Check"), body: envelope(message, 0) };
    const body = await bytesOf(await send(createUs1(), sent));
    expect(fromBinary(HealthCheckResponseSchema, body.subarray(5)).status).toBe(1);
  });

  it("learn the schema with a token only", async () => {
    const us1 = createUs1({ tokensAllowed: true });
    expect(await gRPC.read(await send(us1, ask(REFLECTION)))).toMatchObject({ code: "unauthenticated" });
    const signed = ask(REFLECTION);
    sign(signed);
    expect(await gRPC.read(await send(us1, signed))).toMatchObject({ code: "unauthenticated" });
    const answer = await gRPC.read(await send(us1, ask(REFLECTION, bearer("*"))));
    expect(answer.code).toBe("ok");
    expect(answer.text).toContain("test.Local");
  });

  it("learn no schema with a token where tokens are not allowed", async () => {
    expect(await gRPC.read(await send(createUs1(), ask(REFLECTION, bearer("*"))))).toMatchObject({
      code: "unauthenticated",
    });
  });

  it("learn the schema from anybody where it is open, and from nobody where it is off", async () => {
    expect(await gRPC.read(await send(createUs1({ reflection: "open" }), ask(REFLECTION)))).toMatchObject({
      code: "ok",
    });
    expect(
      (await send(createUs1({ reflection: "off", tokensAllowed: true }), ask(REFLECTION, bearer("*")))).status,
    ).toBe(404);
  });

  it("call a method with a token for it, and not another", async () => {
    const us1 = createUs1({ tokensAllowed: true });
    const call = (method: string) => ({ ...ask(GET, bearer(method)), body: gRPC.frame(gRPC.serialize(requestItem())) });
    expect(await gRPC.read(await send(us1, call("local.Get")))).toMatchObject({ code: "ok" });
    expect(await gRPC.read(await send(us1, call("local.*")))).toMatchObject({ code: "ok" });
    const refused = await gRPC.read(await send(us1, call("local.Find")));
    expect(refused.code).toBe("unauthenticated");
    expect(refused.text).toContain("TOKEN_METHOD_MISMATCH");
    expect(entered).toHaveBeenCalledTimes(2);
  });
});
