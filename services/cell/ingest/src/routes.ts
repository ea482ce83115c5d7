import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { ServiceContext } from "@cellway/host";
import { type InternalRoute, type Problem, sendProblem } from "@cellway/http";
import { CORS_HEADERS, PREFLIGHT_HEADERS, PROJECT_CONFIGS_PATH, RelayRequestError } from "@cellway/ingest-protocol";
import { accept, type Endpoint } from "./accept.js";
import { answerProjectConfigs } from "./project-configs.js";
import { Refusal } from "./refusal.js";
import type { IngestState } from "./state.js";

type Route = InternalRoute<ServiceContext>;

/** Where SDKs send, and where Relays ask. */
export function createIngestRoutes(stateOf: (context: ServiceContext) => IngestState): Route[] {
  return [
    ...(["envelope", "store"] as const).flatMap((endpoint) => createEndpoint(endpoint, stateOf)),
    {
      method: "POST",
      path: PROJECT_CONFIGS_PATH,
      localMode: "CELL",
      handle: (context, req, res) =>
        respond(stateOf(context), { req, res }, () => answerProjectConfigs(stateOf(context), req)),
    },
  ];
}

function createEndpoint(endpoint: Endpoint, stateOf: (context: ServiceContext) => IngestState): Route[] {
  const path = `/api/{project_id}/${endpoint}/`;
  return [
    {
      method: "OPTIONS",
      path,
      localMode: "CELL",
      async handle(_context, _req, res) {
        res.writeHead(204, PREFLIGHT_HEADERS).end();
      },
    },
    {
      method: "POST",
      path,
      localMode: "CELL",
      async handle(context, req, res) {
        for (const [name, value] of Object.entries(CORS_HEADERS)) res.setHeader(name, value);
        await respond(stateOf(context), { req, res }, async () => {
          const id = await accept(stateOf(context), endpoint, req);
          return id === undefined ? {} : { id };
        });
      },
    },
  ];
}

/** Answers with JSON, or with the problem for which it is refused; then what was not read of the body ends the connection. */
async function respond(
  state: IngestState,
  { req, res }: { readonly req: IncomingMessage; readonly res: ServerResponse },
  serve: () => Promise<unknown>,
): Promise<void> {
  const { context } = state;
  try {
    const body = Buffer.from(JSON.stringify(await serve()));
    res.writeHead(200, {
      "content-type": "application/json",
      "content-length": body.byteLength,
      "cache-control": "no-store",
    });
    res.end(body);
  } catch (error) {
    const problem = toProblem(error, state, req);
    context.metrics.count("cellway_ingest_refused_total", { code: problem.code });
    if (res.destroyed) return;
    // What was not begun to be read is read and dropped, so that a sender of much can still read why. The rest ends here.
    const isBroken = STOPS_READING.has(problem.status) && !req.complete;
    sendProblem(res, { ...problem, headers: { ...problem.headers, ...(isBroken && { connection: "close" }) } });
  }
}

function toProblem(error: unknown, { context }: IngestState, req: IncomingMessage): Problem {
  if (error instanceof Refusal) return error.toProblem();
  if (error instanceof RelayRequestError) {
    const { status, code, message } = error;
    return { status, code, title: STATUS_CODES[status] ?? "Refused", detail: `${message}.` };
  }
  context.logger.error({ err: error, path: req.url }, "an ingest request failed");
  return new Refusal("INGEST_UNAVAILABLE", "It cannot be served now.").toProblem();
}

/** Too slow, too large, too much at a time. */
const STOPS_READING = new Set([408, 413, 503]);
