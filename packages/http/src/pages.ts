import { createServer } from "node:http";
import { listenAt } from "@cellway/rpc";
import type { Metrics } from "@cellway/telemetry";

/** What a page for operators answers. */
export interface PageAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** What operators and their tools ask for: no authentication, no limit, no problem+json. */
export interface OperatorPage {
  /** An exact path: `/healthz`. */
  readonly path: string;
  readonly answer: () => Promise<PageAnswer>;
}

/** An HTTP listener. */
export interface HttpServer {
  /** `http://127.0.0.1:8000`. */
  readonly address: string;
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}

/** The answer of a page that is JSON. */
export function toJsonAnswer(status: number, body: unknown): PageAnswer {
  return { status, contentType: "application/json; charset=utf-8", text: `${JSON.stringify(body)}\n` };
}

/** `/metrics`, in the text exposition of Prometheus. */
export function createMetricsPage(metrics: Metrics): OperatorPage {
  return {
    path: "/metrics",
    answer: async () => ({
      status: 200,
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      text: await metrics.expose(),
    }),
  };
}

/** Serves nothing but pages, to those who run the process: never public. */
export async function startPageServer(address: string, pages: readonly OperatorPage[]): Promise<HttpServer> {
  const byPath = new Map(pages.map((page) => [page.path, page]));
  const server = createServer((req, res) => {
    const answer = byPath.get(req.url ?? "")?.answer() ?? Promise.resolve(toJsonAnswer(404, { error: "not found" }));
    answer.then(
      ({ status, contentType, text }) => res.writeHead(status, { "content-type": contentType }).end(text),
      () => res.writeHead(500).end(),
    );
  });
  return {
    address: await listenAt(server, address),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
