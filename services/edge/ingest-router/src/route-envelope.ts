import {
  type ClientRequest,
  createEdgeProblem,
  createSending,
  decideByKey,
  type EdgeContext,
  type LocalityRule,
  type Problem,
  type ProxyOptions,
} from "@cellway/http";
import {
  ENVELOPE_HEADER_MAX_BYTES,
  explainKeyFault,
  parseIngestPath,
  readEnvelopeKey,
  readPublicKey,
  type StatedKey,
} from "@cellway/ingest-protocol";
import { peekLine } from "./peek-line.js";
import { createHostUnknown } from "./problems.js";
import type { Scope, Scopes } from "./scope.js";

/** In which the first line of an envelope that names its key there must be here, in milliseconds. */
const FIRST_LINE_TIMEOUT_MS = 5_000;

/** What requests are routed with. */
export interface IngestContext extends EdgeContext {
  readonly scopes: Scopes;
}

/** How what an SDK sends is sent on: to the cell of its public key; or why it is not. Never rejects. */
export async function routeEnvelope(ctx: IngestContext, req: ClientRequest): Promise<ProxyOptions | Problem> {
  const { host } = req.headers;
  const scope = ctx.scopes.of(host);
  if (scope === undefined) return createHostUnknown(host);
  const target = req.url ?? "/";
  const path = parseIngestPath(target);
  if (path === undefined) return createEdgeProblem("PATH_UNKNOWN", "Nothing is taken in at this path.");
  const stated = await findKey(req, path.endpoint);
  if (stated.kind !== "key") {
    const { code, detail } = explainKeyFault(stated);
    return createEdgeProblem(code, detail);
  }
  const refuse = createLocalityRule(ctx, scope, target);
  const decision = await decideByKey(ctx, { key: { kind: "projectKey", value: stated.publicKey }, refuse });
  return "status" in decision ? decision : createSending(ctx, req, decision, refuse);
}

/** The key of a request: from its head, else, of an envelope that is not compressed, from its first line. */
async function findKey(req: ClientRequest, endpoint: string): Promise<StatedKey> {
  const stated = readPublicKey(req);
  if (stated.kind !== "none" || endpoint !== "envelope" || req.headers["content-encoding"] !== undefined) return stated;
  const line = await peekLine(req, { maxBytes: ENVELOPE_HEADER_MAX_BYTES, timeoutMs: FIRST_LINE_TIMEOUT_MS });
  return line === undefined ? stated : readEnvelopeKey(line);
}

/** What lives in a locality that is not served at this host is sent nowhere: its client is told where it is. */
function createLocalityRule({ scopes }: IngestContext, scope: Scope, target: string): LocalityRule {
  return (locality) => {
    if (scope.has(locality)) return undefined;
    const url = scopes.originOf(locality) + target;
    const detail = `This project's events belong in locality ${locality}: ${url}`;
    return createEdgeProblem("WRONG_LOCALITY", detail, { locality, url });
  };
}
