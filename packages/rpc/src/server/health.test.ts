import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "@cellway/gen/grpc/health/v1/health";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { createHealthService } from "./health.js";
import { createUs1, protocolOf, send } from "./test-support.js";

const connect = protocolOf("Connect");

async function check(message: Uint8Array, more: Record<string, string> = {}) {
  const header = new Headers({ "content-type": "application/proto", ...more });
  const response = await send(createUs1(), {
    path: "/grpc.health.v1.Health/Check",
    method: "POST",
    header,
    body: message,
  });
  return connect.read(response);
}
const requestFor = (service: string) =>
  toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }));

describe("health, which anybody may ask for,", () => {
  it("does not say again what it was asked about", async () => {
    const answer = await check(requestFor("no.such.Service"));
    expect(answer.code).toBe("not_found");
    expect(answer.text).not.toContain("no.such.Service");
  });

  it("reads no more than 1 KiB, and decompresses nothing", async () => {
    expect((await check(requestFor("a".repeat(1_000)))).code).toBe("not_found");
    expect((await check(requestFor("a".repeat(1_100)))).code).toBe("resource_exhausted");
    const compressed = gzipSync(requestFor("a".repeat(1_100)));
    expect((await check(compressed, { "content-encoding": "gzip" })).code).toBe("unimplemented");
  });

  it("has so many watchers at a time and no more, and room again when one has gone", async () => {
    const service = createHealthService({
      services: () => new Set(),
      isReady: () => true,
      watchIntervalMs: 10,
      watchersMax: 2,
    });
    const client = createClient(
      Health,
      createRouterTransport((router) => router.service(Health, service)),
    );
    const watch = async () => {
      const leave = new AbortController();
      const updates = client.watch({}, { signal: leave.signal })[Symbol.asyncIterator]();
      const first = await updates.next();
      return { status: (first.value as { status: Status }).status, leave: () => leave.abort() };
    };
    const watchers = [await watch(), await watch()];
    expect(watchers.map(({ status }) => status)).toEqual([Status.SERVING, Status.SERVING]);
    await expect(watch()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    watchers.pop()?.leave();
    await new Promise((resolve) => setTimeout(resolve, 50));
    watchers.push(await watch());
    await expect(watch()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    for (const { leave } of watchers) leave();
  });
});
