import { isJsonObject, type JsonObject } from "./json-object.js";
import { BodyError, type BodyRequest, readBody } from "./read-body.js";
import { findRelayFault, RELAY_ID_HEADER, RELAY_SIGNATURE_HEADER, type RelayKeys } from "./relay-signature.js";

/** Bytes of what a Relay asks; 5,000 keys with their revisions take a third of it. */
const BODY_MAX_BYTES = 1_024 * 1_024;

/** Why what a Relay asks is refused. The message is for whoever asked. */
export class RelayRequestError extends Error {
  override readonly name = "RelayRequestError";

  constructor(
    message: string,
    readonly status: 400 | 401 | 408 | 413 | 415 = 400,
    /** Stable, for programs. */
    readonly code = "PROJECT_CONFIGS_INVALID",
  ) {
    super(message);
  }
}

/** What is read of a Relay with what. */
export interface SignedBodyRules {
  /** Who may ask. */
  readonly relays: RelayKeys;
  /** Until all of it is here, in milliseconds. */
  readonly timeoutMs: number;
  readonly nowMs: number;
}

/** Reads what a Relay that is known here has signed. @throws RelayRequestError. Nothing of it was looked at then. */
export async function readSignedBody(
  req: BodyRequest,
  { relays, timeoutMs, nowMs }: SignedBodyRules,
): Promise<{ readonly relayId: string; readonly body: Buffer }> {
  if ((req.headers["content-encoding"] ?? "identity") !== "identity")
    throw new RelayRequestError("content-encoding: what is signed is not compressed", 415, "ENCODING_UNSUPPORTED");
  const body = await readBody(req, { maxBytes: BODY_MAX_BYTES, timeoutMs }).catch((error: unknown) => {
    if (error instanceof BodyError && error.why === "too_large")
      throw new RelayRequestError(`a question has at most ${BODY_MAX_BYTES} bytes`, 413, "BODY_TOO_LARGE");
    throw new RelayRequestError("the question did not arrive in time", 408, "BODY_TOO_SLOW");
  });
  const said = { id: textOf(req, RELAY_ID_HEADER), signature: textOf(req, RELAY_SIGNATURE_HEADER) };
  const fault = findRelayFault(said, body, { keys: relays, nowMs });
  if (fault !== undefined)
    throw new RelayRequestError(`only Relays that are trusted may ask: ${fault}`, 401, "RELAY_NOT_TRUSTED");
  return { relayId: (said.id ?? "").toLowerCase(), body };
}

/** Reads a JSON object. @throws RelayRequestError with the code. */
export function parseJsonObject(body: Buffer, code?: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw new RelayRequestError("body: must be JSON", 400, code);
  }
  if (isJsonObject(value)) return value;
  throw new RelayRequestError("body: must be a JSON object", 400, code);
}

function textOf({ headers }: BodyRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}
