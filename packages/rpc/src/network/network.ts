import type { UniversalClientFn, UniversalHandlerFn } from "@connectrpc/connect/protocol";

/**
 * How requests get from one silo to another: the one seam below the runtime. Both implementations carry the same
 * bytes, so what is signed and verified is the same.
 */
export interface Network {
  /**
   * Sends one whole request and gives back its whole response. Settles by the deadline, and at once when the signal
   * aborts. Fails with a ConnectError; see `markUnsent`.
   */
  post(request: UnaryPost): Promise<UnaryReply>;
  /** Sends one request to the origin of its URL and gives back the response as it comes: for streams. */
  readonly send: UniversalClientFn;
  /** Serves `endpoint` at `address`, an http:// origin; port 0 lets the system choose. */
  listen(address: string, endpoint: UniversalHandlerFn): Promise<NetworkListener>;
  /** Closes all client connections. Listeners are closed by their owners. */
  close(): Promise<void>;
}

/** A request, ready to leave. */
export interface UnaryPost {
  /** `http://us1.internal:8011`. */
  readonly origin: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Lower-case names. */
  readonly header: Record<string, string>;
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What came back, whatever the status. */
export interface UnaryReply {
  readonly status: number;
  /** Lower-case names, as node:http2 gives them. */
  readonly header: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** A listener in service. */
export interface NetworkListener {
  /** The origin at which it is reached. */
  readonly address: string;
  /** Stops accepting, lets calls in flight finish for `graceMs` (default 5,000), then drops what is left. */
  close(options?: { graceMs?: number }): Promise<void>;
}

/** A body that can be had in one piece without iterating it. */
export interface CollectableBody extends AsyncIterable<Uint8Array> {
  /** The whole body, or undefined when it has more than `maxBytes`. */
  collect(maxBytes: number): Promise<Uint8Array | undefined>;
}

/** The whole body, or undefined when it has more than `maxBytes`; reading stops there. */
export async function collectBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array | undefined> {
  if ("collect" in body) return (body as CollectableBody).collect(maxBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}

/** What headers can be made from. */
export type HeaderInit = ConstructorParameters<typeof Headers>[0];
