import { Code, type ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalHandlerFn,
  type UniversalServerRequest,
  type UniversalServerResponse,
  uResponseMethodNotAllowed,
  uResponseNotFound,
} from "@connectrpc/connect/protocol";
import { createRpcError } from "../errors.js";
import { CONTRACT_HEADER } from "../headers.js";
import { type IntakeResult, takeInBody } from "../network/incoming-body.js";
import { createTooLargeError } from "../network/network-errors.js";
import { DEFAULT_LIMITS } from "../settings.js";
import type { HeaderVerdict, VerifiedCaller, Verifier } from "../signing/verifier.js";

/** Who called, for interceptors and implementations behind the endpoint. */
export const kCaller = createContextKey<VerifiedCaller | undefined>(undefined, { description: "verified caller" });

/** Why a request must not be served. Thrown by the handlers' gate, so that every protocol words it its own way. */
const kRefusal = createContextKey<ConnectError | undefined>(undefined, { description: "refusal" });

/** Whether a request could be read and has reached the interceptors. */
export const kEntered = createContextKey(false, { description: "entered" });

/**
 * How a method is guarded. `signed`: a signature over the body, or a token. `token`: a token only, for the reflection
 * stream, whose body has no end to sign. `open`: nothing (health).
 */
export type Guard = "signed" | "token" | "open";

/** A handler with its guard. */
export interface GuardedHandler {
  readonly handler: UniversalHandler;
  /** `organization.GetOrganization`. */
  readonly name: string;
  readonly guard: Guard;
}

/** What envelopes and an uncompressed message may add to the message's own size. */
const ENVELOPE_ALLOWANCE_BYTES = 1_024;

/** What an endpoint is made of. */
export interface EndpointOptions {
  /** The value of {@link CONTRACT_HEADER}. */
  readonly contract: string;
  readonly handlers: readonly GuardedHandler[];
  readonly verifier: Verifier;
  readonly messageMaxBytes: number;
  /** See `RpcLimits`. */
  readonly unverifiedMaxBytes?: number;
  /** See `RpcLimits`. */
  readonly bodyTimeoutMs?: number;
}

/**
 * The one way into a silo: finds the method, verifies the request over its raw bytes, and only then hands it on.
 * Nothing is decompressed or parsed, and no implementation entered, for a request that does not verify.
 */
export function createEndpoint(options: EndpointOptions): UniversalHandlerFn {
  const byPath = new Map(options.handlers.map((guarded) => [guarded.handler.requestPath, guarded]));
  const readVerified = createVerifiedReader(options);

  return async function endpoint(req) {
    const path = pathOf(req.url);
    const guarded = byPath.get(path);
    if (guarded?.guard === "open" && req.method === "POST") return guarded.handler(req);
    return sayContract(await serve(req, path, guarded), options.contract);
  };

  async function serve(req: UniversalServerRequest, path: string, guarded: GuardedHandler | undefined) {
    if (guarded === undefined) return uResponseNotFound;
    // A GET carries its message in the query, which is not what we sign.
    if (req.method !== "POST") return uResponseMethodNotAllowed;
    const verdict = options.verifier.checkHeader(guarded.name, req.header);
    if (verdict.outcome === "refused") return refuse(guarded, req, verdict.error);
    if (verdict.outcome === "token") return pass(guarded, req, verdict.caller, req.body as AsyncIterable<Uint8Array>);
    if (guarded.guard === "token") return refuse(guarded, req, createTokenNeededError());
    const read = await readVerified(req, verdict, path);
    return read instanceof Error ? refuse(guarded, req, read) : passWhole(guarded, req, read.caller, read.body);
  }
}

/** Every answer says what is served here, so that a caller of another release knows what it may call. */
function sayContract(response: UniversalServerResponse, contract: string): UniversalServerResponse {
  if (response.header === undefined) return { ...response, header: new Headers({ [CONTRACT_HEADER]: contract }) };
  response.header.set(CONTRACT_HEADER, contract);
  return response;
}

/** Reads bodies and verifies them. Until then anybody may have sent them, so that all together get a bounded memory. */
function createVerifiedReader(options: EndpointOptions) {
  const timeoutMs = options.bodyTimeoutMs ?? DEFAULT_LIMITS.bodyTimeoutMs;
  const maxBytes = options.messageMaxBytes + ENVELOPE_ALLOWANCE_BYTES;
  let roomBytes = options.unverifiedMaxBytes ?? DEFAULT_LIMITS.unverifiedMaxBytes;
  return async (
    req: UniversalServerRequest,
    verdict: HeaderVerdict & { outcome: "signed" },
    path: string,
  ): Promise<{ caller: VerifiedCaller; body: Uint8Array } | ConnectError> => {
    let takenBytes = 0;
    const takeRoom = (bytes: number) => {
      if (bytes > roomBytes) return false;
      roomBytes -= bytes;
      takenBytes += bytes;
      return true;
    };
    try {
      const body = await takeInBody(req.body as AsyncIterable<Uint8Array>, { maxBytes, timeoutMs, takeRoom });
      if (typeof body === "string") return createIntakeError(body, options.messageMaxBytes, timeoutMs);
      const caller = options.verifier.checkBody(verdict, path, req.header, body);
      return isError(caller) ? caller : { caller, body };
    } finally {
      roomBytes += takenBytes;
    }
  };
}

function createIntakeError(why: IntakeResult & string, messageMaxBytes: number, timeoutMs: number): ConnectError {
  if (why === "TOO_LARGE") return createTooLargeError("message", messageMaxBytes);
  if (why === "TOO_SLOW")
    return createRpcError(Code.DeadlineExceeded, "BODY_TIMEOUT", `The body did not arrive within ${timeoutMs} ms.`);
  return createRpcError(
    Code.ResourceExhausted,
    "UNVERIFIED_LIMIT",
    "Too much has arrived that is not verified yet; retry later.",
  );
}

/** The gate to give to the router: it throws what the endpoint refused, in the words of the request's protocol. */
export function throwRefusal(context: { values: { get<T>(key: { id: symbol; defaultValue: T }): T } }): void {
  const refusal = context.values.get(kRefusal);
  if (refusal !== undefined) throw refusal;
}

function pass(
  guarded: GuardedHandler,
  req: UniversalServerRequest,
  caller: VerifiedCaller,
  body: AsyncIterable<Uint8Array>,
) {
  return guarded.handler({ ...req, body, contextValues: createContextValues().set(kCaller, caller) });
}

/**
 * Hands a whole body on. One that cannot be read is the caller's mistake, and connect-es would call it our own: the
 * error is then given again, as INVALID_ARGUMENT.
 */
async function passWhole(
  guarded: GuardedHandler,
  req: UniversalServerRequest,
  caller: VerifiedCaller,
  body: Uint8Array,
) {
  const contextValues = createContextValues().set(kCaller, caller);
  const response = await guarded.handler({ ...req, body: createAsyncIterable([body]), contextValues });
  if (contextValues.get(kEntered) || guarded.handler.method.methodKind !== "unary") return response;
  const collected = await collectResponse(response);
  return isInternal(collected) ? refuse(guarded, req, createMalformedError()) : collected;
}

/** The response with its body in memory: trailers are known only once the body has been read. */
async function collectResponse(
  response: UniversalServerResponse,
): Promise<UniversalServerResponse & { chunks: Uint8Array[] }> {
  const chunks: Uint8Array[] = [];
  if (response.body !== undefined) for await (const chunk of response.body) chunks.push(chunk);
  return { ...response, chunks, body: createAsyncIterable(chunks) };
}

/** Whether an error says INTERNAL, in the words of any of the protocols. */
function isInternal({ status, trailer, chunks }: UniversalServerResponse & { chunks: Uint8Array[] }): boolean {
  if (status === 500 || trailer?.get("grpc-status") === GRPC_INTERNAL) return true;
  return chunks.some((chunk) => /grpc-status: ?13\b/i.test(Buffer.from(chunk).toString("latin1")));
}

const GRPC_INTERNAL = "13";

function createMalformedError(): ConnectError {
  return createRpcError(
    Code.InvalidArgument,
    "MALFORMED_BODY",
    "The body is not a message of this method, or not encoded as its headers say.",
  );
}

function refuse(guarded: GuardedHandler, req: UniversalServerRequest, error: ConnectError) {
  return guarded.handler({
    ...req,
    body: createAsyncIterable([]),
    contextValues: createContextValues().set(kRefusal, error),
  });
}

function createTokenNeededError(): ConnectError {
  return createRpcError(
    Code.Unauthenticated,
    "SIGNATURE_MALFORMED",
    "A stream of requests cannot be signed; send a token.",
  );
}

function isError(value: VerifiedCaller | ConnectError): value is ConnectError {
  return value instanceof Error;
}

function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return end === -1 ? url.slice(start) : url.slice(start, end);
}
