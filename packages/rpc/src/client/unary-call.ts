import {
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  fromJsonString,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import { codeFromHttpStatus, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { markUnsent } from "../errors.js";
import type { HeaderInit, UnaryReply } from "../network/network.js";
import { createTooLargeError } from "../network/network-errors.js";

/** Requests of at least this size are compressed. */
export const COMPRESS_MIN_BYTES = 64 * 1024;

/** How messages of a call are written. */
export interface UnaryCodec {
  readonly contentType: "application/proto" | "application/json";
  serialize<D extends DescMessage>(desc: D, message: MessageShape<D>): Uint8Array;
  parse<D extends DescMessage>(desc: D, bytes: Uint8Array): MessageShape<D>;
}

const BINARY: UnaryCodec = {
  contentType: "application/proto",
  serialize: (desc, message) => toBinary(desc, message),
  parse: (desc, bytes) => fromBinary(desc, bytes),
};

const JSON_TEXT: UnaryCodec = {
  contentType: "application/json",
  serialize: (desc, message) => Buffer.from(toJsonString(desc, message)),
  parse: (desc, bytes) => fromJsonString(desc, Buffer.from(bytes).toString("utf8"), { ignoreUnknownFields: true }),
};

/** The codec of a runtime. */
export function createUnaryCodec(useBinaryFormat: boolean): UnaryCodec {
  return useBinaryFormat ? BINARY : JSON_TEXT;
}

/** The request as interceptors see it. The signal is made when somebody asks for it. */
export class RemoteRequest<I extends DescMessage, O extends DescMessage> implements UnaryRequest<I, O> {
  readonly stream = false;
  readonly requestMethod = "POST";
  readonly contextValues: ContextValues;
  readonly header: Headers;
  /** The caller's, if there is one. */
  readonly callerSignal: AbortSignal | undefined;
  private lazySignal: AbortSignal | undefined;

  constructor(
    readonly method: DescMethodUnary<I, O>,
    readonly url: string,
    readonly message: MessageShape<I>,
    bounds: { contextValues: ContextValues; header: HeaderInit | undefined; signal: AbortSignal | undefined },
  ) {
    this.contextValues = bounds.contextValues;
    this.header = new Headers(bounds.header);
    this.callerSignal = bounds.signal;
    this.lazySignal = bounds.signal;
  }

  get service() {
    return this.method.parent;
  }

  get signal(): AbortSignal {
    this.lazySignal ??= new AbortController().signal;
    return this.lazySignal;
  }
}

/** The response as interceptors see it. Headers are made when somebody asks for them. */
class RemoteResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  private lazyHeaders: { header: Headers; trailer: Headers } | undefined;

  constructor(
    readonly method: DescMethodUnary<I, O>,
    readonly message: MessageShape<O>,
    private readonly raw: UnaryReply["header"],
  ) {}

  get service() {
    return this.method.parent;
  }

  get header(): Headers {
    this.lazyHeaders ??= splitHeaders(this.raw);
    return this.lazyHeaders.header;
  }

  get trailer(): Headers {
    this.lazyHeaders ??= splitHeaders(this.raw);
    return this.lazyHeaders.trailer;
  }
}

/** Serializes, and compresses what is large. @throws RESOURCE_EXHAUSTED / BODY_TOO_LARGE, unsent. */
export async function encodeRequest<I extends DescMessage>(
  codec: UnaryCodec,
  desc: I,
  message: MessageShape<I>,
  messageMaxBytes: number,
): Promise<{ body: Uint8Array; encoding: string }> {
  const body = codec.serialize(desc, message);
  if (body.byteLength > messageMaxBytes) throw markUnsent(createTooLargeError("request", messageMaxBytes));
  if (body.byteLength < COMPRESS_MIN_BYTES) return { body, encoding: "" };
  return { body: await compressionGzip.compress(body), encoding: compressionGzip.name };
}

/** The response of a reply, or the error that the peer, or something on the way, answered with. */
export async function decodeReply<I extends DescMessage, O extends DescMessage>(
  codec: UnaryCodec,
  method: DescMethodUnary<I, O>,
  reply: UnaryReply,
  messageMaxBytes: number,
): Promise<UnaryResponse<I, O>> {
  const encoding = reply.header["content-encoding"];
  const isCompressed = encoding !== undefined && encoding !== "identity";
  if (isCompressed && encoding !== compressionGzip.name)
    throw new ConnectError(`unsupported response encoding ${String(encoding)}`, Code.Internal);
  const body = isCompressed ? await compressionGzip.decompress(reply.body, messageMaxBytes) : reply.body;
  const contentType = String(reply.header["content-type"] ?? "");
  if (reply.status !== 200) {
    const { header } = splitHeaders(reply.header);
    const fallback = new ConnectError(`HTTP ${reply.status}`, codeFromHttpStatus(reply.status), header);
    throw contentType.startsWith("application/json") ? errorFromJsonBytes(body, header, fallback) : fallback;
  }
  if (!contentType.startsWith(codec.contentType))
    throw new ConnectError(`unsupported content type ${contentType}`, Code.Internal);
  return new RemoteResponse(method, parseOrThrow(codec, method.output, body), reply.header);
}

function parseOrThrow<O extends DescMessage>(codec: UnaryCodec, desc: O, body: Uint8Array): MessageShape<O> {
  try {
    return codec.parse(desc, body);
  } catch (error) {
    throw new ConnectError("the response cannot be read", Code.Internal, undefined, undefined, error);
  }
}

function splitHeaders(raw: UnaryReply["header"]): { header: Headers; trailer: Headers } {
  const header = new Headers();
  const trailer = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    if (value === undefined || name.startsWith(":")) continue;
    const text = typeof value === "string" ? value : value.join(", ");
    if (name.startsWith("trailer-")) trailer.set(name.slice("trailer-".length), text);
    else header.set(name, text);
  }
  return { header, trailer };
}
