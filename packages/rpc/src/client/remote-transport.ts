import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  isMessage,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  ConnectError,
  type ContextValues,
  createContextValues,
  type Interceptor,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { currentCall, joinSignals } from "../context.js";
import { methodPolicyOf } from "../contract.js";
import { createRpcError, errorMetadataOf, isUnsent, markUnsent, reasonOf } from "../errors.js";
import { CALLER_HEADER, CONTRACT_HEADER, formatCallerHeader } from "../headers.js";
import type { HeaderInit, Network } from "../network/network.js";
import { createPathMissingError, isPathMissing } from "../peers/errors.js";
import { assertEnabled, SILO_HEADER } from "../server/interceptors.js";
import type { MethodSwitch, RpcLimits } from "../settings.js";
import { VIEWER_HEADER } from "../signing/verifier.js";
import {
  type ClientChainOptions,
  createClientInterceptors,
  kCallerHeader,
  kDeadlineAt,
  kDestination,
} from "./interceptors.js";
import { createSigningClient, type Signer, signOrThrow } from "./signing-client.js";
import { COMPRESS_MIN_BYTES, createUnaryCodec, decodeReply, encodeRequest, RemoteRequest } from "./unary-call.js";

/** Replaced once the destination is known; a request that got there unresolved must fail, not go somewhere. */
const UNRESOLVED_ORIGIN = "http://unresolved.invalid";

/** What the transport needs besides its chain. */
export interface RemoteTransportOptions extends ClientChainOptions {
  readonly network: Network;
  readonly signer: Signer;
  /** The release of this process. */
  readonly version: string;
  readonly limits: RpcLimits;
  readonly methodSwitch: MethodSwitch;
  /** False for JSON bodies. Default true. */
  readonly useBinaryFormat?: boolean;
}

/** The transport of the code of one service, by its name. */
export type TransportFactory = (callerService: string) => Transport;

/**
 * The transports for calls that leave the silo: Connect protocol over HTTP/2. Gives every call a deadline: the
 * smallest of what the caller says, what the contract says and what is left of the call being served.
 *
 * Unary calls, which are nearly all, take a path of their own below the interceptors: the whole body is known, so it
 * is serialized, signed and posted in one go. Streams go through connect-es.
 */
export function createRemoteTransport(options: RemoteTransportOptions): TransportFactory {
  const interceptors = createClientInterceptors(options);
  const streams = createStreamTransport(options, interceptors);
  const unary = applyInterceptors(createPoster(options), interceptors);
  return (callerService) => {
    const caller = formatCallerHeader({ service: callerService, version: options.version });
    return {
      // oxlint-disable-next-line max-params -- the interface of connect-es
      unary<I extends DescMessage, O extends DescMessage>(
        method: DescMethodUnary<I, O>,
        signal: AbortSignal | undefined,
        timeoutMs: number | undefined,
        header: HeaderInit | undefined,
        input: MessageInitShape<I>,
        contextValues?: ContextValues,
      ) {
        const bounds = enter(options, method, { caller, signal, timeoutMs, contextValues });
        const message = isMessage(input, method.input) ? input : create(method.input, input);
        const req = new RemoteRequest(method, UNRESOLVED_ORIGIN, message, { ...bounds, header });
        return unary(req) as unknown as Promise<UnaryResponse<I, O>>;
      },
      // oxlint-disable-next-line max-params -- the interface of connect-es
      stream(method, signal, timeoutMs, header, input, contextValues) {
        const bounds = enter(options, method, { caller, signal, timeoutMs, contextValues });
        return streams.stream(method, bounds.signal, bounds.timeoutMs, header, input, bounds.contextValues);
      },
    };
  };
}

type UnaryFn = (req: UnaryRequest) => Promise<UnaryResponse>;

function applyInterceptors(next: UnaryFn, interceptors: readonly Interceptor[]): UnaryFn {
  return interceptors.reduceRight<UnaryFn>(
    (inner, interceptor) => interceptor(inner as never) as unknown as UnaryFn,
    next,
  );
}

/** One attempt: serialize, sign, post, parse. */
function createPoster(options: RemoteTransportOptions): UnaryFn {
  const codec = createUnaryCodec(options.useBinaryFormat ?? true);
  const { messageMaxBytes } = options.limits;
  return async (req) => {
    const policy = methodPolicyOf(req.method);
    const destination = req.contextValues.get(kDestination);
    const deadlineAtMs = req.contextValues.get(kDeadlineAt);
    const { body, encoding } = await encodeRequest(codec, req.method.input, req.message, messageMaxBytes);
    const header: Record<string, string> = {};
    req.header.forEach((value, key) => {
      header[key] = value;
    });
    header["content-type"] = codec.contentType;
    header["connect-protocol-version"] = "1";
    header["accept-encoding"] = "gzip";
    header["connect-timeout-ms"] = String(Math.max(1, Math.ceil(deadlineAtMs - Date.now())));
    if (encoding !== "") header["content-encoding"] = encoding;
    header[CALLER_HEADER] = req.contextValues.get(kCallerHeader);
    header["authorization"] = signOrThrow(options.signer, destination?.silo ?? "", {
      path: policy.path,
      contentType: codec.contentType,
      encoding: encoding === "" ? "" : `${encoding}||`,
      viewer: header[VIEWER_HEADER] ?? "",
      body,
    });
    const post = {
      origin: destination?.address ?? UNRESOLVED_ORIGIN,
      path: policy.path,
      header,
      body,
      deadlineAtMs,
      signal: (req as Partial<RemoteRequest<DescMessage, DescMessage>>).callerSignal,
    };
    const reply = await options.network.post(post).catch((error: unknown) => {
      throw nameSilo(error, destination?.silo ?? "");
    });
    const contract = textOf(reply.header[CONTRACT_HEADER]);
    options.contracts.note(destination?.silo ?? "", contract, reply.header[SILO_HEADER] !== undefined);
    if (isPathMissing(reply.status, textOf(reply.header["content-type"]))) throw createPathMissingError(contract);
    return decodeReply(codec, req.method, reply, messageMaxBytes);
  };
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "object" ? value[0] : value;
}

/** The network knows addresses; people know silos. */
function nameSilo(error: unknown, silo: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  const reason = reasonOf(error);
  if (reason !== "SILO_UNREACHABLE" && reason !== "DEADLINE_EXCEEDED") return error;
  const metadata = { ...errorMetadataOf(error), silo };
  const named = createRpcError(error.code, reason, `${silo}: ${error.rawMessage}`, { metadata, cause: error.cause });
  return isUnsent(error) ? markUnsent(named) : named;
}

function createStreamTransport(options: RemoteTransportOptions, interceptors: Interceptor[]): Transport {
  return createTransport({
    baseUrl: UNRESOLVED_ORIGIN,
    httpClient: createSigningClient({
      send: options.network.send,
      signer: options.signer,
      messageMaxBytes: options.limits.messageMaxBytes,
      onResponse(silo, { status, header }) {
        const contract = header.get(CONTRACT_HEADER) ?? undefined;
        options.contracts.note(silo, contract, header.has(SILO_HEADER));
        if (isPathMissing(status, header.get("content-type"))) throw createPathMissingError(contract);
      },
    }),
    useBinaryFormat: options.useBinaryFormat ?? true,
    interceptors,
    acceptCompression: [compressionGzip],
    sendCompression: compressionGzip,
    compressMinBytes: COMPRESS_MIN_BYTES,
    readMaxBytes: options.limits.messageMaxBytes,
    writeMaxBytes: options.limits.messageMaxBytes,
  });
}

function enter(
  options: RemoteTransportOptions,
  method: DescMethod,
  bounds: {
    caller: string;
    signal: AbortSignal | undefined;
    timeoutMs: number | undefined;
    contextValues: ContextValues | undefined;
  },
) {
  const policy = methodPolicyOf(method);
  if (options.methodSwitch.isDisabled(policy.name)) {
    options.metrics.count("cellway_rpc_client_rejected_total", {
      method: policy.name,
      destination: "none",
      why: "method_disabled",
    });
    assertEnabled(policy, options.methodSwitch);
  }
  const parent = currentCall();
  const nowMs = Date.now();
  const deadlineAtMs = Math.min(
    nowMs + (bounds.timeoutMs ?? policy.timeoutMs),
    parent?.deadlineAtMs ?? Number.POSITIVE_INFINITY,
  );
  return {
    signal: joinSignals(bounds.signal, parent?.signal),
    // Zero would mean "no deadline" below; one that has passed is one that passes at once.
    timeoutMs: Math.max(1, Math.floor(deadlineAtMs - nowMs)),
    contextValues: (bounds.contextValues ?? createContextValues())
      .set(kDeadlineAt, deadlineAtMs)
      .set(kCallerHeader, bounds.caller),
  };
}
