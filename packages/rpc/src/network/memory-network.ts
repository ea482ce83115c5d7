import { setMaxListeners } from "node:events";
import { withoutSiloContext } from "@cellway/silo";
import { Code, type ConnectError } from "@connectrpc/connect";
import type {
  UniversalClientFn,
  UniversalClientRequest,
  UniversalClientResponse,
  UniversalHandlerFn,
} from "@connectrpc/connect/protocol";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { createRpcError, markUnsent } from "../errors.js";
import { createGoneError } from "./incoming-body.js";
import { collectBody, type Network, type UnaryPost, type UnaryReply } from "./network.js";
import { toAbortError } from "./network-errors.js";

/** A request on its way, whole. */
export interface CapturedRequest {
  url: string;
  header: Headers;
  body: Uint8Array;
}

/** A network inside one process, for tests of many silos: the same bytes, signatures and checks, no socket. */
export interface MemoryNetwork extends Network {
  /** Silos at these origins do not answer until they are removed again. */
  readonly down: Set<string>;
  /** Called with every request before it is delivered; may change it, wait, or throw. */
  onRequest: ((request: CapturedRequest) => void | Promise<void>) | undefined;
  /** Delivers a request as it is, without the caller's runtime: what somebody else on the wire could send. */
  deliver(request: CapturedRequest): Promise<UniversalClientResponse>;
}

/** Creates a network with no silos on it. */
export function createMemoryNetwork(): MemoryNetwork {
  const endpoints = new Map<string, UniversalHandlerFn>();
  let nextPort = 1;

  async function deliver(request: CapturedRequest, signal?: AbortSignal): Promise<UniversalClientResponse> {
    const { origin } = new URL(request.url);
    const endpoint = endpoints.get(origin);
    if (endpoint === undefined || network.down.has(origin)) throw createDownError(origin);
    return enterEndpoint(endpoint, request, signal);
  }

  async function sendOrAbort(req: UniversalClientRequest): Promise<UniversalClientResponse> {
    const body = req.body === undefined ? undefined : await collectBody(req.body, Number.MAX_SAFE_INTEGER);
    const request: CapturedRequest = {
      url: req.url,
      header: new Headers(req.header),
      body: body ?? new Uint8Array(0),
    };
    await network.onRequest?.(request);
    return deliver(request, req.signal);
  }

  const network: MemoryNetwork = {
    post: (request) => postWhole(request, sendOrAbort),
    send: (req) => (req.signal === undefined ? sendOrAbort(req) : settleOrAbort(req.signal, () => sendOrAbort(req))),
    deliver: (request) => deliver(request),
    down: new Set(),
    onRequest: undefined,
    async listen(address, endpoint) {
      const url = new URL(address);
      const origin = url.port === "0" ? `${url.protocol}//${url.hostname}:${nextPort++}` : url.origin;
      if (endpoints.has(origin)) throw new Error(`Something listens at ${origin} already.`);
      endpoints.set(origin, endpoint);
      return {
        address: origin,
        async close() {
          endpoints.delete(origin);
        },
      };
    },
    async close() {},
  };
  return network;
}

async function enterEndpoint(
  endpoint: UniversalHandlerFn,
  request: CapturedRequest,
  signal: AbortSignal | undefined,
): Promise<UniversalClientResponse> {
  const caller = createCallerSignal(signal);
  try {
    // What the caller's code carries with it must not cross a wire that is only pretended.
    const response = await withoutSiloContext(() =>
      endpoint({
        httpVersion: "2",
        method: "POST",
        url: request.url,
        header: new Headers(request.header),
        body: createAsyncIterable([request.body]),
        signal: caller.signal,
      }),
    );
    const {
      status,
      header = new Headers(),
      body = createAsyncIterable<Uint8Array>([]),
      trailer = new Headers(),
    } = response;
    return { status, header, body: readUntilGone(endWhenGone(body, caller.signal), caller), trailer };
  } catch (error) {
    caller.release();
    throw error;
  }
}

async function postWhole(request: UnaryPost, send: UniversalClientFn): Promise<UnaryReply> {
  const linked = createLinkedSignal(request.signal, request.deadlineAtMs);
  try {
    return await settleOrAbort(linked.signal, async () => {
      const response = await send({
        url: request.origin + request.path,
        method: "POST",
        header: new Headers(request.header),
        body: createAsyncIterable([request.body]),
        signal: linked.signal,
      });
      const body = await collectBody(response.body, Number.MAX_SAFE_INTEGER);
      return {
        status: response.status,
        header: Object.fromEntries(response.header),
        body: body ?? new Uint8Array(0),
      };
    });
  } finally {
    linked.release();
  }
}

/** A signal that aborts with `signal` or at the deadline, and what gives its timer and listener back. */
function createLinkedSignal(signal: AbortSignal | undefined, deadlineAtMs: number) {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  const timer = setTimeout(
    () =>
      controller.abort(createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", "the silo did not answer in time")),
    Math.max(0, deadlineAtMs - Date.now()),
  );
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

/** Settles as the work does, or rejects as soon as the signal aborts; nothing starts when it has. */
function settleOrAbort<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) return Promise.reject(toAbortError(signal));
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(toAbortError(signal));
    setMaxListeners(0, signal);
    signal.addEventListener("abort", onAbort, { once: true });
    void work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** The signal of the request as its handler sees it: a connection's, which knows only whether the caller has gone. */
function createCallerSignal(signal: AbortSignal | undefined) {
  const controller = new AbortController();
  const leave = () => controller.abort(createGoneError());
  if (signal !== undefined) setMaxListeners(0, signal);
  if (signal?.aborted === true) leave();
  else signal?.addEventListener("abort", leave, { once: true });
  return { signal: controller.signal, leave, release: () => signal?.removeEventListener("abort", leave) };
}

/** The response's body, which is told when its reader has gone in the middle: nobody would ask it for more. */
function endWhenGone(body: AsyncIterable<Uint8Array>, gone: AbortSignal): AsyncIterable<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  gone.addEventListener("abort", () => void iterator.return?.().catch(() => undefined), { once: true });
  return { [Symbol.asyncIterator]: () => iterator };
}

/** The response's body. A reader that stops early has gone; one that has read everything no longer can. */
async function* readUntilGone(
  body: AsyncIterable<Uint8Array>,
  caller: ReturnType<typeof createCallerSignal>,
): AsyncGenerator<Uint8Array> {
  let isOver = false;
  try {
    yield* body;
    isOver = true;
  } finally {
    if (!isOver) caller.leave();
    caller.release();
  }
}

function createDownError(origin: string): ConnectError {
  return markUnsent(
    createRpcError(Code.Unavailable, "SILO_UNREACHABLE", `${origin} cannot be reached`, {
      metadata: { address: origin },
    }),
  );
}
