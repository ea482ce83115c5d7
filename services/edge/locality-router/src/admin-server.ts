import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RunningLocator } from "@cellway/locator";
import type { Metrics } from "@cellway/telemetry";

/** A listener for those who run the router: never public. */
export interface AdminServer {
  readonly address: string;
  close(): Promise<void>;
}

/** Serves `/healthz`, `/readyz` (how old the routes are, and how many) and `/metrics`. */
export async function startAdminServer(options: {
  readonly address: string;
  readonly name: string;
  readonly running: RunningLocator;
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
  readonly now: () => number;
}): Promise<AdminServer> {
  const { name, running, metrics } = options;
  const readiness = () => {
    const { memory } = running.locator;
    return {
      ready: memory.isComplete && !options.isStopping(),
      edge: name,
      routes: memory.table.count,
      loaded: memory.isComplete,
      following: running.following.isConnected(),
      ageMs: memory.completeUntilMs === undefined ? null : Math.max(0, options.now() - memory.completeUntilMs),
    };
  };
  const server = createServer((req, res) => {
    if (req.url === "/healthz") return sendJson(res, 200, { status: "alive", edge: name });
    if (req.url === "/readyz") {
      const report = readiness();
      return sendJson(res, report.ready ? 200 : 503, report);
    }
    if (req.url !== "/metrics") return sendJson(res, 404, { error: "not found" });
    metrics.expose().then(
      (text) => res.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(text),
      () => res.writeHead(500).end(),
    );
  });
  const { hostname, port } = new URL(options.address);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) }, resolve);
  });
  return {
    address: `http://${hostname}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(`${JSON.stringify(body)}\n`);
}
