import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isPublicKey, type ProjectConfigsAnswer, readProjectConfigsQuestion } from "@cellway/ingest-protocol";
import type { ProjectKeyInUse } from "./project-keys.js";
import type { IngestState } from "./state.js";

/** In which a question must be here. */
const BODY_TIMEOUT_MS = 5_000;

/** What Relays are told of all projects. Nothing is asked of them yet. */
const GLOBAL_CONFIG = { options: {} };

/**
 * Answers a Relay that is trusted: the configuration of each key of this cell, or that it is unchanged. A key that is in no list
 * is none of this cell's; when it cannot be known, all are pending.
 *
 * @throws RelayRequestError
 */
export async function answerProjectConfigs(state: IngestState, req: IncomingMessage): Promise<ProjectConfigsAnswer> {
  const rules = { relays: state.relays, timeoutMs: BODY_TIMEOUT_MS, nowMs: state.context.now() };
  const request = await readProjectConfigsQuestion(req, rules);
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
