import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { Health, HealthCheckResponse_ServingStatus } from "@cellway/gen/grpc/health/v1/health";
import { ServerReflection } from "@cellway/gen/grpc/reflection/v1/reflection";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { startTwoVersionServer } from "./two-version-server.js";

/** What a product's own services at a cell's HTTP address are, over HTTP/1.1 and HTTP/2: Connect, gRPC and gRPC-Web. */
export interface ProcedureCell {
  readonly address: string;
  /** Of each call: protocol and method. */
  readonly asked: string[];
  /** Headers of a 421 that is answered instead; undefined when the calls are the cell's own. */
  misdirection: Record<string, string> | undefined;
  /** Calls that have not ended. */
  underWay: number;
  stop(): Promise<void>;
}

/** Starts the services of a cell: each answer names it. */
export async function startProcedureCell(name: string): Promise<ProcedureCell> {
  const cell: Pick<ProcedureCell, "misdirection" | "underWay"> = { misdirection: undefined, underWay: 0 };
  const asked: string[] = [];
  const begin = ({ protocolName, method, responseHeader, signal }: HandlerContext) => {
    asked.push(`${protocolName} ${method.name}`);
    responseHeader.set("cell", name);
    cell.underWay += 1;
    signal.addEventListener("abort", () => {
      cell.underWay -= 1;
    });
  };
  const adapt = connectNodeAdapter({ routes: (router) => addRoutes(router, begin) });
  const http1 = createHttp1Server((req, res) => {
    if (req.url === "/healthz") res.end();
    else adapt(req, res);
  });
  const http2 = createHttp2Server((req, res) => {
    if (cell.misdirection === undefined) adapt(req, res);
    else res.writeHead(421, cell.misdirection).end();
  });
  const { address, stop } = await startTwoVersionServer(http1, http2);
  return Object.assign(cell, { address, asked, stop });
}

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;

function addRoutes(router: ConnectRouter, begin: (context: HandlerContext) => void): void {
  router.service(Health, {
    async check({ service }, context) {
      begin(context);
      // Until its client gives it up.
      if (service === "never") await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      return { status: SERVING };
    },
    async *watch(_request, context) {
      begin(context);
      for (const status of [NOT_SERVING, SERVING, NOT_SERVING]) yield { status };
    },
  });
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests, context) {
      begin(context);
      for await (const { host } of requests) yield { validHost: `echo ${host}` };
    },
  });
}
