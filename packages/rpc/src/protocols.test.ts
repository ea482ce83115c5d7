import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { createCellSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcTransport } from "@connectrpc/connect/protocol-grpc";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { compressionGzip } from "@connectrpc/connect-node";
import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { AUDIENCE_HEADER, createSigningClient } from "./client/signing-client.js";
import { reasonOf } from "./errors.js";
import { type CapturedRequest, createMemoryNetwork, type MemoryNetwork } from "./network/memory-network.js";
import { createRpcRuntime } from "./runtime.js";
import { createCellKeyRing, createMasterKeyRing, deriveCellKey, type SigningKey } from "./signing/keys.js";
import { VIEWER_HEADER } from "./signing/verifier.js";

const MASTER: SigningKey = { id: "test", secret: new Uint8Array(32).fill(7) };
const LIMIT_BYTES = 64 * 1024;
let network: MemoryNetwork;
let entered = 0;

/** Control's hand, in one of the protocols: signs and sends, with none of our own runtime above the wire. */
function createRawClient(
  protocol: string,
  options: { audience?: string; keys?: SigningKey; compress?: boolean } = {},
): Client<typeof OrganizationService> {
  const audience = options.audience ?? "us1";
  const setHeaders: Interceptor = (next) => (req) => {
    req.header.set(AUDIENCE_HEADER, audience);
    req.header.set(VIEWER_HEADER, "kind=user&user_id=7");
    return next(req);
  };
  const send: UniversalClientFn = createSigningClient({
    onResponse: () => {},
    send: network.send,
    signer: { caller: "control", keys: createMasterKeyRing([options.keys ?? MASTER]) },
    messageMaxBytes: 16 * 1024 * 1024,
  });
  const common = {
    baseUrl: "http://us1.test:1",
    httpClient: send,
    useBinaryFormat: protocol !== "connect+json",
    interceptors: [setHeaders],
    acceptCompression: [compressionGzip],
    sendCompression: options.compress === true ? compressionGzip : null,
    compressMinBytes: 0,
    readMaxBytes: 0xffffffff,
    writeMaxBytes: 0xffffffff,
  };
  const create: (options: typeof common) => Transport =
    protocol === "grpc"
      ? createGrpcTransport
      : protocol === "grpc-web"
        ? createGrpcWebTransport
        : createConnectTransport;
  return createClient(OrganizationService, create(common));
}

async function failureOf(call: Promise<unknown>): Promise<{ code: Code; reason: string | undefined }> {
  try {
    await call;
  } catch (error) {
    return { code: ConnectError.from(error).code, reason: reasonOf(error) };
  }
  throw new Error("the call did not fail");
}

beforeAll(async () => {
  network = createMemoryNetwork();
  for (const silo of ["us1", "de1"]) {
    const runtime = createRpcRuntime({
      silo: createCellSilo(silo),
      network,
      keys: createCellKeyRing(silo, [deriveCellKey(MASTER, silo)]),
      logger: createLogger({ silo, level: "silent" }),
      metrics: createMetrics({ silo }),
      controlAddress: "http://control.test:1",
      limits: { messageMaxBytes: LIMIT_BYTES },
    });
    runtime.serve(OrganizationService, {
      getOrganizationBySlug(req) {
        entered += 1;
        return { organization: { id: "1", slug: req.slug, name: "Acme" } };
      },
    });
    await network.listen(`http://${silo}.test:1`, runtime.endpoint());
  }
});
beforeEach(() => {
  network.onRequest = undefined;
  entered = 0;
});

/** Changes one character in the middle of one dot-separated part of the signature header. */
function changePart(index: number): (request: CapturedRequest) => void {
  return ({ header }) => {
    const [scheme = "", rest = ""] = (header.get("authorization") ?? "").split(" ");
    const parts = rest.split(".");
    const part = parts[index] ?? "";
    const at = Math.floor(part.length / 2);
    const changed = part[at] === "1" ? "2" : part[at] === "a" ? "b" : "1";
    parts[index] = /^[0-9]+$/.test(part)
      ? part.slice(0, -1) + ((Number(part.at(-1)) + 1) % 10)
      : part.slice(0, at) + (index > 2 && index < 5 ? "a" : changed) + part.slice(at + 1);
    header.set("authorization", `${scheme} ${parts.join(".")}`);
  };
}

const TAMPERINGS: readonly [string, (request: CapturedRequest) => void][] = [
  [
    "body",
    (request) => {
      request.body = request.body.slice();
      const last = request.body.byteLength - 2;
      request.body[last] = (request.body[last] ?? 0) ^ 1;
    },
  ],
  [
    "path",
    (request) => {
      request.url = request.url.replace("GetOrganizationBySlug", "GetOrganization");
    },
  ],
  ["key id", changePart(0)],
  ["timestamp", changePart(1)],
  ["nonce", changePart(2)],
  ["caller", changePart(3)],
  ["audience", changePart(4)],
  ["signature", changePart(5)],
  ["viewer", ({ header }) => header.set(VIEWER_HEADER, "kind=user&user_id=8")],
];

describe.each([["connect"], ["connect+json"], ["grpc"], ["grpc-web"]])("over %s", (protocol) => {
  test("a signed call is answered", async () => {
    const { organization } = await createRawClient(protocol).getOrganizationBySlug({ slug: "acme" });
    expect([organization?.slug, entered]).toEqual(["acme", 1]);
  });

  test("a signed and compressed call is answered", async () => {
    const { organization } = await createRawClient(protocol, { compress: true }).getOrganizationBySlug({
      slug: "acme",
    });
    expect([organization?.slug, entered]).toEqual(["acme", 1]);
  });

  test.each(TAMPERINGS)("one changed byte in the %s is refused and nothing is entered", async (_part, tamper) => {
    network.onRequest = tamper;
    const failure = await failureOf(createRawClient(protocol).getOrganizationBySlug({ slug: "acme" }));
    expect(failure.code).toBe(Code.Unauthenticated);
    expect(failure.reason).toMatch(/^(SIGNATURE_(INVALID|EXPIRED|KEY_UNKNOWN|MALFORMED)|AUDIENCE_MISMATCH)$/);
    expect(entered).toBe(0);
  });

  test("a call without a signature is refused", async () => {
    network.onRequest = ({ header }) => header.delete("authorization");
    expect(await failureOf(createRawClient(protocol).getOrganizationBySlug({ slug: "acme" }))).toEqual({
      code: Code.Unauthenticated,
      reason: "SIGNATURE_MISSING",
    });
    expect(entered).toBe(0);
  });

  test("the wrong key is refused", async () => {
    const keys = { id: "test", secret: new Uint8Array(32).fill(8) };
    expect(await failureOf(createRawClient(protocol, { keys }).getOrganizationBySlug({ slug: "acme" }))).toEqual({
      code: Code.Unauthenticated,
      reason: "SIGNATURE_INVALID",
    });
  });

  test("a captured request is answered once and never again", async () => {
    let captured: CapturedRequest | undefined;
    network.onRequest = (request) => {
      captured = { ...request, header: new Headers(request.header) };
    };
    await createRawClient(protocol).getOrganizationBySlug({ slug: "acme" });
    network.onRequest = (request) => {
      if (captured !== undefined) Object.assign(request, captured);
    };
    expect(await failureOf(createRawClient(protocol).getOrganizationBySlug({ slug: "acme" }))).toEqual({
      code: Code.Unauthenticated,
      reason: "SIGNATURE_REPLAYED",
    });
    expect(entered).toBe(1);
  });

  test("a request captured for us1 is refused by de1", async () => {
    network.onRequest = (request) => {
      request.url = request.url.replace("us1.test", "de1.test");
    };
    expect(await failureOf(createRawClient(protocol).getOrganizationBySlug({ slug: "acme" }))).toEqual({
      code: Code.Unauthenticated,
      reason: "AUDIENCE_MISMATCH",
    });
  });

  test("a message over the limit is RESOURCE_EXHAUSTED, compressed or not, and the next call is answered", async () => {
    for (const compress of [false, true]) {
      const failure = await failureOf(
        createRawClient(protocol, { compress }).getOrganizationBySlug({ slug: "a".repeat(2 * LIMIT_BYTES) }),
      );
      expect(failure.code).toBe(Code.ResourceExhausted);
    }
    await createRawClient(protocol).getOrganizationBySlug({ slug: "acme" });
    expect(entered).toBe(1);
  });

  test("a request that breaks a rule of its contract is INVALID_ARGUMENT", async () => {
    expect(await failureOf(createRawClient(protocol).getOrganizationBySlug({ slug: "" }))).toEqual({
      code: Code.InvalidArgument,
      reason: "INVALID_FIELD",
    });
  });

  test("a method that is not implemented, and a service that is not here, are UNIMPLEMENTED", async () => {
    expect(await failureOf(createRawClient(protocol).listTeams({ organizationId: "1" }))).toMatchObject({
      code: Code.Unimplemented,
    });
    network.onRequest = (request) => {
      request.url = request.url.replace("OrganizationService", "NobodyService");
    };
    expect(await failureOf(createRawClient(protocol).getOrganizationBySlug({ slug: "acme" }))).toMatchObject({
      code: Code.Unimplemented,
    });
  });
});
