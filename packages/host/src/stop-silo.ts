import type { SiloDatabase } from "@cellway/database";
import type { ProcessRegistry } from "@cellway/fleet";
import type { HttpGateway, HttpServer } from "@cellway/http";
import type { Outbox } from "@cellway/outbox";
import type { NetworkListener } from "@cellway/rpc";
import type { LocalMode, Silo } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";
import { type Preparation, stopModules, waitAtMost } from "./lifecycle.js";
import type { ServiceContext, ServiceModule } from "./module.js";
import type { Readiness } from "./readiness.js";
import type { TaskRunner } from "./tasks.js";

/** How long a silo that stops waits for what is under way, in milliseconds, when nothing else is said. */
export const DEFAULT_GRACE_MS = 3_000;

/** What stops a silo, in order: what comes in, what runs, what goes out, what it stands on. Safe to call twice. */
export function createStop(
  config: { readonly silo: Silo; readonly logger: Logger },
  parts: {
    readiness: Readiness;
    preparation: Preparation;
    tasks: TaskRunner;
    listener: NetworkListener;
    http: HttpServer;
    gateway: HttpGateway | undefined;
    contexts: ReadonlyMap<ServiceModule, ServiceContext>;
    databases: ReadonlyMap<LocalMode, SiloDatabase>;
    outboxes: ReadonlyMap<LocalMode, Outbox>;
    registries: ReadonlyMap<LocalMode, ProcessRegistry>;
  },
  onStopping: () => void,
): (options?: { graceMs?: number }) => Promise<void> {
  let stopped: Promise<void> | undefined;
  const stop = async (graceMs: number) => {
    onStopping();
    parts.readiness.stop();
    for (const [module, context] of parts.contexts) module.leave?.(context);
    const outcomes = await Promise.allSettled([
      parts.listener.close({ graceMs }),
      parts.tasks.stop(graceMs),
      waitAtMost(graceMs, parts.preparation.stop()),
      parts.gateway?.drain({ graceMs }),
    ]);
    outcomes.push(...(await Promise.allSettled([stopModules(config.silo, parts.contexts, graceMs)])));
    outcomes.push(...(await Promise.allSettled([parts.http.close(), stopAll(parts.outboxes.values())])));
    outcomes.push(...(await Promise.allSettled([parts.gateway?.close()])));
    // Last, so that it counts as alive while it does anything.
    outcomes.push(...(await Promise.allSettled([stopAll(parts.registries.values())])));
    outcomes.push(...(await Promise.allSettled([...parts.databases.values()].map((database) => database.destroy()))));
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    config.logger.info("the silo has stopped");
  };
  return (options) => {
    stopped ??= stop(options?.graceMs ?? DEFAULT_GRACE_MS);
    return stopped;
  };
}

/** Ends what runs for each side. */
export async function stopAll(parts: Iterable<Pick<Outbox | ProcessRegistry, "stop">>): Promise<void> {
  await Promise.all([...parts].map((part) => part.stop()));
}
