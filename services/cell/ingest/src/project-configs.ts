import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import {
  assertProjectConfigsVersion,
  BodyError,
  findRelayFault,
  isPublicKey,
  type ProjectConfigsAnswer,
  ProjectConfigsError,
  type ProjectConfigsRequest,
  parseProjectConfigsRequest,
  RELAY_ID_HEADER,
  RELAY_SIGNATURE_HEADER,
  readBody,
} from "@cellway/ingest-protocol";
import type { ProjectKeyInUse } from "./project-keys.js";
import { Refusal } from "./refusal.js";
import type { IngestState } from "./state.js";

const BODY_MAX_BYTES = 1_024 * 1_024;
const BODY_TIMEOUT_MS = 5_000;

/** What Relays are told of all projects. Nothing is asked of them yet. */
const GLOBAL_CONFIG = { options: {} };

/**
 * Answers a Relay that is trusted: the configuration of each key of this cell, or that it is unchanged. A key that is in no list
 * is none of this cell's; when it cannot be known, all are pending.
 *
 * @throws Refusal
 */
export async function answerProjectConfigs(state: IngestState, req: IncomingMessage): Promise<ProjectConfigsAnswer> {
  const request = await readRequest(state, req);
  const wanted = request.publicKeys.filter(isPublicKey);
  const global = request.isGlobalWanted ? { global: GLOBAL_CONFIG, global_status: "ready" } : {};
  let keys: ProjectKeyInUse[];
  try {
    keys = await state.keys.findAll(wanted);
  } catch (error) {
    state.context.logger.warn({ err: error }, "project keys could not be looked up; a Relay is told to ask again");
    return { configs: {}, pending: wanted, unchanged: [], ...global };
  }
  const configs: Record<string, unknown> = {};
  const unchanged: string[] = [];
  for (const key of keys) {
    const rev = revisionOf(key, state.publicUrl);
    if (request.revisions.get(key.publicKey) === rev) unchanged.push(key.publicKey);
    else configs[key.publicKey] = createProjectConfig(key, rev, state.publicUrl);
  }
  return { configs, pending: [], unchanged, ...global };
}

async function readRequest({ relays, context }: IngestState, req: IncomingMessage): Promise<ProjectConfigsRequest> {
  if ((req.headers["content-encoding"] ?? "identity") !== "identity")
    throw new Refusal("ENCODING_UNSUPPORTED", "content-encoding: a signed question is not compressed.");
  try {
    const body = await readBody(req, { maxBytes: BODY_MAX_BYTES, timeoutMs: BODY_TIMEOUT_MS });
    const said = { id: textOf(req, RELAY_ID_HEADER), signature: textOf(req, RELAY_SIGNATURE_HEADER) };
    const fault = findRelayFault(said, body, { keys: relays, nowMs: context.now() });
    if (fault !== undefined) throw new Refusal("RELAY_NOT_TRUSTED", `Only Relays that are trusted may ask: ${fault}.`);
    assertProjectConfigsVersion(req.url ?? "");
    return parseProjectConfigsRequest(body);
  } catch (error) {
    if (error instanceof ProjectConfigsError) throw new Refusal("PROJECT_CONFIGS_INVALID", `${error.message}.`);
    if (!(error instanceof BodyError)) throw error;
    if (error.why === "too_large")
      throw new Refusal("BODY_TOO_LARGE", `A question has at most ${BODY_MAX_BYTES} bytes.`);
    throw new Refusal("BODY_TOO_SLOW", "The question did not arrive in time.");
  }
}

/** As Relay reads it; `upstream` is where it sends what it takes in for this project. */
function createProjectConfig(key: ProjectKeyInUse, rev: string, publicUrl: string | undefined) {
  return {
    disabled: false,
    projectId: Number(key.projectId),
    organizationId: Number(key.organizationId),
    slug: key.projectSlug,
    lastChange: new Date(key.createdAtMs).toISOString(),
    rev,
    publicKeys: [{ publicKey: key.publicKey, numericId: Number(key.id), isEnabled: true }],
    config: { allowedDomains: ["*"], trustedRelays: [], features: [] },
    ...(publicUrl !== undefined && { upstream: publicUrl }),
  };
}

/** The same for as long as the configuration is the same. */
function revisionOf(key: ProjectKeyInUse, publicUrl: string | undefined): string {
  return createHash("sha256")
    .update(JSON.stringify(createProjectConfig(key, "", publicUrl)))
    .digest("hex")
    .slice(0, 32);
}

function textOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
