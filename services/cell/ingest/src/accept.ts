import type { IncomingMessage } from "node:http";
import { CELL_HEADER, ProblemError } from "@cellway/http";
import {
  BodyError,
  explainKeyFault,
  parseIngestPath,
  readBody,
  readEnvelopeKey,
  readPublicKey,
  type StatedKey,
} from "@cellway/ingest-protocol";
import { readEncoding, readEnvelopeEventId, readEnvelopeLine, readStoredEventId } from "./payload-head.js";
import type { ProjectKeyInUse } from "./project-keys.js";
import { Refusal } from "./refusal.js";
import type { IngestState } from "./state.js";
import { insertEnvelope } from "./store/envelope.js";

/** Where something is sent to. */
export type Endpoint = "envelope" | "store";

/** Longest text of a header that is stored, in characters. */
const HEADER_MAX_LENGTH = 200;

/**
 * Takes in one request, whole or not at all: once it resolves, what was sent is stored.
 *
 * @returns the id of the event, 32 hexadecimal digits; undefined when the sender named none.
 * @throws Refusal
 */
export async function accept(
  state: IngestState,
  endpoint: Endpoint,
  req: IncomingMessage,
): Promise<string | undefined> {
  const encoding = readEncoding(req.headers["content-encoding"]);
  const stated = readPublicKey(req);
  // Known before a byte of the body is read, but for tunnels.
  const early = stated.kind === "none" && endpoint === "envelope" ? undefined : await admit(state, req, stated);
  const room = createRoom(state);
  try {
    const body = await readWhole(req, endpoint, state, (bytes) => room.take(bytes));
    const line = endpoint === "envelope" ? await readEnvelopeLine(body, encoding) : undefined;
    const key = early ?? (await admit(state, req, line === undefined ? stated : readEnvelopeKey(line)));
    const eventId =
      endpoint === "store"
        ? await readStoredEventId(body, encoding, state.limits.storeMaxBytes)
        : line === undefined
          ? undefined
          : readEnvelopeEventId(line);
    await store(state, { key, endpoint, eventId, encoding, body, req });
    return eventId;
  } finally {
    room.giveBack();
  }
}

/** Whose the request is, and that it may be taken in. */
async function admit(state: IngestState, req: IncomingMessage, stated: StatedKey): Promise<ProjectKeyInUse> {
  if (stated.kind !== "key") {
    const { code, detail } = explainKeyFault(stated);
    throw new Refusal(code, detail);
  }
  const key = await state.keys.find(stated.publicKey);
  if (key === undefined) throw createUnknownKeyRefusal(req);
  if (parseIngestPath(req.url ?? "")?.projectId !== key.projectId)
    throw new Refusal("PROJECT_MISMATCH", "The public key is not one of the project in the path.");
  limitKey(state, key);
  if (!(await state.storage.isFull())) return key;
  const scope = "organization:storage_full";
  throw new Refusal("STORAGE_FULL", "The cell keeps as much as it may; send it again later.", { scope });
}

/** A router is told that the key is not here, so that it asks where it is; to anybody else there is no such key. */
function createUnknownKeyRefusal(req: IncomingMessage): Refusal {
  return req.headers[CELL_HEADER] === undefined
    ? new Refusal("PROJECT_KEY_NOT_FOUND", "There is no such project key here.")
    : new Refusal("PROJECT_KEY_ELSEWHERE", "There is no such project key in this cell.");
}

function limitKey({ limiter, limits }: IngestState, { publicKey }: ProjectKeyInUse): void {
  try {
    limiter.take("project key", publicKey, limits.keyRequestsPerMinute);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const retryAfterS = Number(error.headers["retry-after"] ?? 60);
    throw new Refusal("KEY_RATE_LIMITED", error.message, { scope: "key:key_rate", retryAfterS });
  }
}

/** The part of what may be in flight that a request takes. */
function createRoom(state: IngestState): { take(bytes: number): boolean; giveBack(): void } {
  let taken = 0;
  return {
    take(bytes) {
      if (state.inFlightBytes + bytes > state.limits.inFlightMaxBytes) return false;
      state.inFlightBytes += bytes;
      taken += bytes;
      return true;
    },
    giveBack() {
      state.inFlightBytes -= taken;
      taken = 0;
    },
  };
}

async function readWhole(
  req: IncomingMessage,
  endpoint: Endpoint,
  { limits }: IngestState,
  takeRoom: (bytes: number) => boolean,
): Promise<Buffer> {
  const maxBytes = endpoint === "envelope" ? limits.envelopeMaxBytes : limits.storeMaxBytes;
  try {
    return await readBody(req, { maxBytes, takeRoom });
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    if (error.why === "too_large") throw new Refusal("BODY_TOO_LARGE", `A body has at most ${maxBytes} bytes.`);
    if (error.why === "no_room") throw new Refusal("INGEST_BUSY", "Too much is being taken in; send it again.");
    throw new Refusal("BODY_TOO_SLOW", "The body did not arrive.");
  }
}

interface Accepted {
  readonly key: ProjectKeyInUse;
  readonly endpoint: Endpoint;
  readonly eventId: string | undefined;
  readonly encoding: string;
  readonly body: Buffer;
  readonly req: IncomingMessage;
}

async function store(state: IngestState, { key, endpoint, eventId, encoding, body, req }: Accepted): Promise<void> {
  const { context } = state;
  const isStored = await insertEnvelope(context.database, {
    organizationId: key.organizationId,
    projectId: key.projectId,
    projectKeyId: key.id,
    endpoint,
    eventId,
    contentType: (req.headers["content-type"] ?? "").slice(0, HEADER_MAX_LENGTH),
    contentEncoding: encoding,
    client: readClient(req).slice(0, HEADER_MAX_LENGTH),
    body,
    receivedAt: new Date(context.now()),
  }).catch((error: unknown) => {
    context.logger.error({ err: error, project_id: key.projectId }, "an envelope could not be stored");
    throw new Refusal("INGEST_UNAVAILABLE", "It could not be stored; send it again in a moment.");
  });
  if (!isStored) {
    state.keys.forget(key.publicKey);
    throw createUnknownKeyRefusal(req);
  }
  state.storage.add(body.byteLength);
  context.metrics.count("cellway_ingest_accepted_total", { endpoint });
  context.metrics.count("cellway_ingest_accepted_bytes_total", { endpoint }, body.byteLength);
}

function readClient({ headers }: IncomingMessage): string {
  const own = headers["x-sentry-auth"];
  const said = typeof own === "string" ? /sentry_client=([^,\s]+)/.exec(own)?.[1] : undefined;
  return said ?? headers["user-agent"] ?? "";
}
