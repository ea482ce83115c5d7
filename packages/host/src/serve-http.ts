import type { SiloDatabase } from "@cellway/database";
import type { HttpGateway, HttpServer } from "@cellway/http";
import type { RpcRuntime } from "@cellway/rpc";
import type { LocalMode, Silo } from "@cellway/silo";
import { createSiloGate } from "./gate.js";
import { type Build, startSiloHttpServer } from "./http-server.js";
import { createAnswerMemory } from "./idempotency.js";
import type { ServiceContext, ServiceModule } from "./module.js";
import type { Readiness } from "./readiness.js";
import type { SiloConfig } from "./silo.js";

type Contexts = ReadonlyMap<ServiceModule, ServiceContext>;

/** What the HTTP listener of a silo stands on. */
interface HttpParts {
  /** Of both sides. */
  readonly modules: readonly ServiceModule[];
  /** Of those that are local. */
  readonly contexts: Contexts;
  readonly databases: ReadonlyMap<LocalMode, SiloDatabase>;
  readonly readiness: Readiness;
  readonly build: Build;
  readonly rpc: RpcRuntime;
}

/** Serves the routes of a silo, and behind them its gateway when it has one. */
export async function serveHttp(
  config: SiloConfig,
  { modules, contexts, databases, readiness, build, rpc }: HttpParts,
  undo: (() => Promise<unknown>)[],
): Promise<{ http: HttpServer; gateway: HttpGateway | undefined }> {
  const now = config.now ?? Date.now;
  const gateway = createSiloGateway(config.silo, contexts);
  undo.push(async () => gateway?.close());
  const http = await startSiloHttpServer({
    ...config,
    gateway,
    address: config.httpListen,
    readiness,
    build,
    ...mountRoutes(modules, contexts),
    gate: createSiloGate({ ...config, rpc: rpc.forService("http"), now }),
    memory: createAnswerMemory({ ...config, now }, databases),
  });
  undo.push(() => http.close());
  return { http, gateway };
}

/** A monolith is every cell itself: there is nowhere to send a request on to. */
function createSiloGateway({ mode }: Silo, contexts: Contexts): HttpGateway | undefined {
  if (mode !== "CONTROL") return undefined;
  for (const [{ createGateway }, context] of contexts) if (createGateway !== undefined) return createGateway(context);
  return undefined;
}

/** Routes of all modules: those of the other side too, so that a request for one is told apart from nonsense. */
function mountRoutes(modules: readonly ServiceModule[], contexts: Contexts) {
  const mount = <R>(routesOf: (module: ServiceModule) => readonly R[]) =>
    modules.flatMap((module) => routesOf(module).map((route) => ({ route, context: contexts.get(module) })));
  return { routes: mount((module) => module.routes), internalRoutes: mount((module) => module.internalRoutes ?? []) };
}
