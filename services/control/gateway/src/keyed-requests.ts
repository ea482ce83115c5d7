import type { IncomingMessage } from "node:http";
import {
  type CellListener,
  createEdgeProblem,
  decideByKey,
  type EdgeContext,
  INGEST_LISTENER,
  type Problem,
  parseOrganizationKey,
} from "@cellway/http";
import { CORS_HEADERS, explainKeyFault, isPublicKey, readPublicKey, type StatedKey } from "@cellway/ingest-protocol";
import type { Outcome } from "./outcome.js";

/** What is embedded in pages of others, and is told by the DSN of a project whose it is: `/api/embed/error-page/?dsn=…`. */
const EMBED = /^\/api\/embed\/[a-z0-9-]+\/?$/;
/** The host of a DSN that says its organization: `o1.ingest.us.example.com`. Older ones say nothing. */
const DSN_HOST = /^o(\d+)\./;

type Asked = Pick<IncomingMessage, "headers" | "url">;

/** A cell that takes events elsewhere than its API has limits and a circuit for each. */
const LISTENER: CellListener = {
  ...INGEST_LISTENER,
  nameOf: ({ name, ingestAddress, httpAddress }) =>
    ingestAddress === "" || ingestAddress === httpAddress ? name : `${name}/ingest`,
};

/** Whether a path is that of something embedded. */
export function isEmbed(path: string): boolean {
  return EMBED.test(path);
}

/** Where goes what an SDK sends: by the public key in its headers or query. Its body is not read. */
export async function decideIngest(ctx: EdgeContext, req: Asked): Promise<Outcome> {
  const own = { ...ctx, listener: LISTENER };
  const stated = readPublicKey(req);
  const decided =
    stated.kind === "key"
      ? await decideByKey(own, { key: { kind: "projectKey", value: stated.publicKey } })
      : createKeyProblem(stated);
  const refusal = "status" in decided ? { ...decided, headers: { ...decided.headers, ...CORS_HEADERS } } : decided;
  return { rule: "project_key", ctx: own, decided: refusal };
}

/**
 * Where goes what carries a DSN in its query: by the public key in it, which every DSN has, whatever its host says. Where the key
 * is not known the organization in the host is, if it says one: its cell knows what became of the key.
 */
export async function decideByDsn(ctx: EdgeContext, { url = "" }: Asked): Promise<Outcome> {
  const text = new URLSearchParams(url.split("?").slice(1).join("?")).get("dsn") ?? "";
  const dsn = URL.canParse(text) ? new URL(text) : undefined;
  const publicKey = dsn?.username ?? "";
  if (dsn === undefined || publicKey === "") {
    const decided = createEdgeProblem("PROJECT_KEY_MISSING", "Name the project by its DSN: ?dsn=https://KEY@HOST/ID");
    return { rule: "project_key", ctx, decided };
  }
  if (!isPublicKey(publicKey)) return { rule: "project_key", ctx, decided: createMalformed("dsn") };
  const byKey = await decideByKey(ctx, { key: { kind: "projectKey", value: publicKey } });
  const organization = parseOrganizationKey(DSN_HOST.exec(dsn.hostname)?.[1] ?? "");
  if (!("status" in byKey) || byKey.code !== "PROJECT_KEY_NOT_FOUND" || organization === undefined)
    return { rule: "project_key", ctx, decided: byKey };
  const byHost = await decideByKey(ctx, { key: organization });
  // That of the key is the better reason.
  const isFound = !("status" in byHost) || byHost.code !== "ORGANIZATION_NOT_FOUND";
  return isFound ? { rule: "dsn_host", ctx, decided: byHost } : { rule: "project_key", ctx, decided: byKey };
}

function createKeyProblem(stated: Exclude<StatedKey, { kind: "key" }>): Problem {
  const { code, detail } = explainKeyFault(stated);
  return createEdgeProblem(code, detail);
}

function createMalformed(from: "dsn"): Problem {
  return createKeyProblem({ kind: "malformed", from });
}
