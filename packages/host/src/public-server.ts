import type { SiloDatabase } from "@cellway/database";
import type { HttpServer } from "@cellway/http";
import type { RpcRuntime } from "@cellway/rpc";
import type { LocalMode } from "@cellway/silo";
import { createSiloGate } from "./gate.js";
import { type Build, startSiloHttpServer } from "./http-server.js";
import { createAnswerMemory } from "./idempotency.js";
import type { ServiceContext, ServiceModule } from "./module.js";
import type { Readiness } from "./readiness.js";
import type { SiloConfig } from "./silo.js";

/** What the public listener of a silo serves with. */
interface PublicParts {
  readonly modules: readonly ServiceModule[];
  /** Of those that are local. */
  readonly contexts: ReadonlyMap<ServiceModule, ServiceContext>;
  readonly databases: ReadonlyMap<LocalMode, SiloDatabase>;
  readonly rpc: RpcRuntime;
  readonly readiness: Readiness;
  readonly build: Build;
}

/** Serves the routes of all modules where the configuration says. */
export function startPublicServer(config: SiloConfig, parts: PublicParts): Promise<HttpServer> {
  const { modules, contexts, databases, rpc, readiness, build } = parts;
  const now = config.now ?? Date.now;
  return startSiloHttpServer({
    ...config,
    address: config.httpListen,
    readiness,
    build,
    ...mountRoutes(modules, contexts),
    gate: createSiloGate({ ...config, rpc: rpc.forService("http"), now }),
    memory: createAnswerMemory({ ...config, now }, databases),
  });
}

/** Routes of all modules: those of the other side too, so that a request for one is told apart from nonsense. */
function mountRoutes(modules: readonly ServiceModule[], contexts: ReadonlyMap<ServiceModule, ServiceContext>) {
  const mount = <R>(routesOf: (module: ServiceModule) => readonly R[]) =>
    modules.flatMap((module) => routesOf(module).map((route) => ({ route, context: contexts.get(module) })));
  return { routes: mount((module) => module.routes), internalRoutes: mount((module) => module.internalRoutes ?? []) };
}
