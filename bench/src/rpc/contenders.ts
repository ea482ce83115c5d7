import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  GetOrganizationBySlugRequestSchema,
  GetOrganizationBySlugResponseSchema,
  OrganizationService,
} from "@cellway/gen/cellway/organization/v1/organization";
import {
  type CellResolver,
  createCellKeyRing,
  createHttpNetwork,
  createMasterKeyRing,
  createMemoryNetwork,
  createRpcRuntime,
  DEFAULT_LIMITS,
  deriveCellKey,
} from "@cellway/rpc";
import { createCellSilo, createControlSilo, createMonolithSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";

/** What every contender answers. */
export interface Answer {
  readonly organization?: { readonly slug: string } | undefined;
}

/** The same call, made in one of several ways. */
export interface Contender {
  readonly name: string;
  /** One call, as its caller makes it. */
  call(): Promise<Answer>;
  close(): Promise<void>;
}

const MASTER = { id: "bench", secret: new Uint8Array(32).fill(1) };
const REQUEST = { slug: "acme-corporation", userId: "4611686018" };

/** What every server answers. */
function answer(slug: string) {
  return { organization: { id: "1125899906842625", slug, name: "Acme Corporation" } };
}

/** @throws when a call was answered wrongly: what is measured must have worked. */
export function assertAnswer(response: Answer): void {
  if (response.organization?.slug !== REQUEST.slug) throw new Error("the answer is wrong");
}

const implementation = { getOrganizationBySlug: (req: { slug: string }) => answer(req.slug) };

/** Our full remote call: resolved, signed, sent over HTTP/2, verified, checked, validated, answered. */
export async function createCellwayRemote(): Promise<Contender> {
  const logger = createLogger({ silo: "bench", level: "silent" });
  const serverNetwork = createHttpNetwork(DEFAULT_LIMITS);
  const cell = createRpcRuntime({
    silo: createCellSilo("us1"),
    network: serverNetwork,
    keys: createCellKeyRing("us1", [deriveCellKey(MASTER, "us1")]),
    logger,
    metrics: createMetrics({ silo: "us1" }),
    controlAddress: "http://127.0.0.1:1",
  });
  cell.serve(OrganizationService, implementation);
  const listener = await serverNetwork.listen("http://127.0.0.1:0", cell.endpoint());
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const control = createRpcRuntime({
    silo: createControlSilo(),
    network,
    keys: createMasterKeyRing([MASTER]),
    logger,
    metrics: createMetrics({ silo: "control" }),
    controlAddress: "http://127.0.0.1:1",
    resolver: createMapResolver(listener.address),
  });
  const client = control.client(OrganizationService);
  return {
    name: "cellway remote: signed, resolved (Connect, h2)",
    call: () => client.getOrganizationBySlug(REQUEST),
    async close() {
      await network.close();
      await listener.close({ graceMs: 100 });
    },
  };
}

/** A directory in memory, as control keeps recent routes: what is measured is the call, not the database. */
function createMapResolver(address: string): CellResolver {
  const destination = { silo: "us1", address };
  const routes = new Map([[REQUEST.slug, destination]]);
  return {
    byOrganizationSlug: async (slug) => routes.get(slug),
    byOrganizationId: async () => destination,
    byCellName: async () => destination,
    singleOrganization: async () => destination,
  };
}

function routes(router: ConnectRouter): void {
  router.service(OrganizationService, implementation);
}

/** connect-node on both ends with nothing added: no signature, no resolution, no deadline, no validation. */
export async function createBareConnect(protocol: "connect" | "grpc"): Promise<Contender> {
  const server = createServer(connectNodeAdapter({ routes }));
  const sessions = trackSessions(server);
  const baseUrl = await listen(server);
  const options = { baseUrl, httpVersion: "2" as const };
  const client = createClient(
    OrganizationService,
    protocol === "connect" ? createConnectTransport(options) : createGrpcTransport(options),
  );
  return {
    name: `connect-node, bare (${protocol === "connect" ? "Connect" : "gRPC"}, h2)`,
    call: () => client.getOrganizationBySlug(REQUEST),
    close: () => closeServer(server, sessions),
  };
}

/** grpc-js on both ends, with protobuf-es for the messages. */
export async function createGrpcJs(): Promise<Contender> {
  const method: grpc.MethodDefinition<object, object> = {
    path: `/${OrganizationService.typeName}/GetOrganizationBySlug`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value) => Buffer.from(toBinary(GetOrganizationBySlugRequestSchema, value as never)),
    requestDeserialize: (bytes) => fromBinary(GetOrganizationBySlugRequestSchema, bytes),
    responseSerialize: (value) => Buffer.from(toBinary(GetOrganizationBySlugResponseSchema, value as never)),
    responseDeserialize: (bytes) => fromBinary(GetOrganizationBySlugResponseSchema, bytes),
  };
  const server = new grpc.Server();
  server.addService(
    { getOrganizationBySlug: method },
    {
      getOrganizationBySlug: (call: { request: { slug: string } }, done: (error: null, value: object) => void) =>
        done(null, create(GetOrganizationBySlugResponseSchema, answer(call.request.slug))),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return {
    name: "grpc-js, bare (gRPC, h2)",
    call: () =>
      new Promise((resolve, reject) => {
        const request = create(GetOrganizationBySlugRequestSchema, REQUEST);
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          (error, response) => {
            if (error !== null) reject(error);
            else resolve(response as Answer);
          },
        );
      }),
    async close() {
      client.close();
      server.forceShutdown();
    },
  };
}

/** Our local call: copied, validated, with deadline and call context; no serialization. */
export async function createCellwayLocal(): Promise<Contender> {
  const runtime = createRpcRuntime({
    silo: createMonolithSilo(["us1"]),
    network: createMemoryNetwork(),
    keys: createMasterKeyRing([MASTER]),
    logger: createLogger({ silo: "bench", level: "silent" }),
    metrics: createMetrics({ silo: "monolith" }),
    controlAddress: "http://127.0.0.1:1",
  });
  runtime.serve(OrganizationService, implementation);
  const client = runtime.client(OrganizationService);
  return {
    name: "cellway local (in process)",
    call: () => client.getOrganizationBySlug(REQUEST),
    close: async () => {},
  };
}

/** What connect-es offers in process: serializes both ways. */
export async function createRouter(): Promise<Contender> {
  const client = createClient(OrganizationService, createRouterTransport(routes));
  return {
    name: "connect-es createRouterTransport",
    call: () => client.getOrganizationBySlug(REQUEST),
    close: async () => {},
  };
}

/** The floor: an async function that answers. */
export async function createPlainFunction(): Promise<Contender> {
  const call = async (req: { slug: string }) => answer(req.slug);
  return {
    name: "plain async function",
    call: () => call(REQUEST),
    close: async () => {},
  };
}

function trackSessions(server: Http2Server): Set<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  return sessions;
}

function listen(server: Http2Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

async function closeServer(server: Http2Server, sessions: ReadonlySet<ServerHttp2Session>): Promise<void> {
  for (const session of sessions) session.destroy();
  await new Promise((resolve) => server.close(resolve));
}
