import { Health, HealthCheckResponse_ServingStatus as Status } from "@cellway/gen/grpc/health/v1/health";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";

/** Answers for grpc.health.v1: the silo as a whole (empty name) and each service it serves. */
export function createHealthService(options: {
  /** Full names of the services that are served. */
  services: () => ReadonlySet<string>;
  isReady: () => boolean;
  /** How often a watcher learns of a change. Default 1,000. */
  watchIntervalMs?: number;
  /** Watchers at a time: anybody may be one. Default 100. */
  watchersMax?: number;
}): ServiceImpl<typeof Health> {
  const statusOf = (service: string): Status | undefined => {
    if (service !== "" && !options.services().has(service)) return undefined;
    return options.isReady() ? Status.SERVING : Status.NOT_SERVING;
  };
  const watchers = new Set<AbortSignal>();
  return {
    check(req) {
      const status = statusOf(req.service);
      if (status === undefined) throw new ConnectError("there is no such service", Code.NotFound);
      return { status };
    },
    async *watch(req, context) {
      const { signal } = context;
      if (watchers.size >= (options.watchersMax ?? 100))
        throw new ConnectError("too many watch already; ask with Check", Code.ResourceExhausted);
      watchers.add(signal);
      // A caller that goes while it is slow to read leaves this generator where it is.
      signal.addEventListener("abort", () => watchers.delete(signal), { once: true });
      try {
        let last: Status | undefined;
        while (!signal.aborted) {
          const status = statusOf(req.service) ?? Status.SERVICE_UNKNOWN;
          if (status !== last) yield { status };
          last = status;
          await waitOrAbort(options.watchIntervalMs ?? 1_000, signal);
        }
      } finally {
        watchers.delete(signal);
      }
    },
  };
}

function waitOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
  });
}
