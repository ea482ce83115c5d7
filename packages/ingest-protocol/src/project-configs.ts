import type { BodyRequest } from "./read-body.js";
import { parseJsonObject, RelayRequestError, readSignedBody, type SignedBodyRules } from "./signed-body.js";

/** The one version of the exchange that is spoken. */
export const PROJECT_CONFIGS_VERSION = 3;

/** The most keys of one question; Relay asks for up to 500. */
const KEYS_MAX = 5_000;
const KEY_LENGTH_MAX = 128;
const REVISION_LENGTH_MAX = 256;

/** What a Relay asks. */
export interface ProjectConfigsRequest {
  /** Each once, in the order of the question. Texts that can be no key are among them. */
  readonly publicKeys: readonly string[];
  /** By key: the revision that the Relay holds. Empty when it said none, or not one for each key. */
  readonly revisions: ReadonlyMap<string, string>;
  readonly isGlobalWanted: boolean;
  /** The question as it was asked: what is not known here is passed on. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What is answered. Of each key that was asked for: its configuration, that it is to be asked for again, or nothing. */
export interface ProjectConfigsAnswer {
  readonly configs: Readonly<Record<string, unknown>>;
  readonly pending: readonly string[];
  readonly unchanged: readonly string[];
  readonly global?: unknown;
  readonly global_status?: unknown;
}

/**
 * Reads the question of a Relay: that it may ask, in which version, and what.
 *
 * @throws RelayRequestError. Nothing of what is asked about was looked at then.
 */
export async function readProjectConfigsQuestion(
  req: BodyRequest,
  rules: SignedBodyRules,
): Promise<ProjectConfigsRequest> {
  const { body } = await readSignedBody(req, rules);
  assertProjectConfigsVersion(req.url ?? "");
  return parseProjectConfigsRequest(body);
}

/** Refuses any version but {@link PROJECT_CONFIGS_VERSION}. @throws RelayRequestError */
function assertProjectConfigsVersion(url: string): void {
  const version = new URLSearchParams(url.split("?").slice(1).join("?")).get("version") ?? "";
  if (version === String(PROJECT_CONFIGS_VERSION)) return;
  throw new RelayRequestError(
    /^\d+$/.test(version) && Number(version) > PROJECT_CONFIGS_VERSION
      ? `version: ${version} is not spoken here yet; ask with version=${PROJECT_CONFIGS_VERSION}`
      : `version: must be ${PROJECT_CONFIGS_VERSION}; older ones are no longer supported`,
  );
}

/** Reads a question. @throws RelayRequestError for what is no JSON or breaks a rule. */
function parseProjectConfigsRequest(body: Buffer): ProjectConfigsRequest {
  const raw = parseJsonObject(body);
  const keys = raw["publicKeys"];
  if (!Array.isArray(keys) || !keys.every((key): key is string => typeof key === "string"))
    throw new RelayRequestError("publicKeys: must be a list of texts");
  if (keys.length > KEYS_MAX) throw new RelayRequestError(`publicKeys: must be at most ${KEYS_MAX}`);
  if (keys.some((key) => key.length > KEY_LENGTH_MAX))
    throw new RelayRequestError(`publicKeys: each must be at most ${KEY_LENGTH_MAX} characters`);
  return {
    publicKeys: [...new Set(keys)],
    revisions: readRevisions(raw["revisions"], keys),
    isGlobalWanted: raw["global"] === true,
    raw,
  };
}

/** The question for some of the keys, with their revisions beside them and everything else as it was asked. */
export function createProjectConfigsBody(request: ProjectConfigsRequest, keys: readonly string[]): Buffer {
  const { publicKeys: _, revisions: __, global: ___, ...rest } = request.raw;
  const revisions = keys.map((key) => request.revisions.get(key) ?? null);
  return Buffer.from(
    JSON.stringify({
      ...rest,
      publicKeys: keys,
      ...(revisions.some((revision) => revision !== null) && { revisions }),
    }),
  );
}

/** The revisions by key. A list that is not as long as that of the keys says nothing of any of them. */
function readRevisions(value: unknown, keys: readonly string[]): Map<string, string> {
  const revisions = new Map<string, string>();
  if (!Array.isArray(value) || value.length !== keys.length) return revisions;
  for (const [index, key] of keys.entries()) {
    const revision: unknown = value[index];
    if (typeof revision === "string" && revision.length <= REVISION_LENGTH_MAX && !revisions.has(key))
      revisions.set(key, revision);
  }
  return revisions;
}
