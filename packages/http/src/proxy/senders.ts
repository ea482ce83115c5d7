import { type AttemptEnd, attempt } from "./attempt.js";
import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { formatRequestHead } from "./headers.js";
import { attemptHttp2 } from "./http2/attempt.js";
import { isDuplex, isGrpc } from "./http2/grpc.js";
import { KeptBody } from "./http2/kept-body.js";
import type { ProxyTarget } from "./proxy-request.js";
import { takeBody } from "./request-body.js";
import type { Upstream } from "./upstream.js";

/** What is the same in all attempts to have a request answered. */
export interface Sending {
  readonly req: ClientRequest;
  readonly res: ClientAnswer;
  /** Headers as they go on, but for those of the target. */
  readonly headers: readonly string[];
  readonly requestId: string;
  readonly answerHeaders: readonly string[];
}

/** Sends one request, as often as need be. */
export interface Sender {
  /** Whether it can be sent again. */
  readonly isRepeatable: boolean;
  /** Never rejects. */
  send(target: ProxyTarget, isMisdirectionHeld: boolean): Promise<AttemptEnd>;
}

/**
 * The sender of a request that goes to this upstream first. By HTTP/1.1, which every upstream speaks; calls of gRPC by HTTP/2,
 * and so streams of Connect where the upstream speaks it. A body that is short and of a known length is read before.
 *
 * @throws what reading the request fails with, as a rejection: the client is gone.
 */
export async function createSender(sending: Sending, upstream: Upstream): Promise<Sender> {
  const { repeatableBodyMaxBytes } = upstream.limits;
  const { req } = sending;
  return isGrpc(req) || (isDuplex(req) && (await upstream.speaksHttp2()))
    ? createHttp2Sender(sending, repeatableBodyMaxBytes)
    : createHttp1Sender(sending, repeatableBodyMaxBytes);
}

async function createHttp1Sender(sending: Sending, repeatableMaxBytes: number): Promise<Sender> {
  const { req, headers } = sending;
  const body = await takeBody(req, repeatableMaxBytes);
  return {
    isRepeatable: body.isRepeatable,
    send: ({ upstream, headers: own }, isMisdirectionHeld) =>
      attempt({
        ...sending,
        upstream,
        head: formatRequestHead(req, [headers, own, body.isChunked ? CHUNKED : []]),
        body: body.open(),
        isMisdirectionHeld,
      }),
  };
}

function createHttp2Sender(sending: Sending, repeatableMaxBytes: number): Sender {
  const body = new KeptBody(sending.req, repeatableMaxBytes);
  return {
    get isRepeatable() {
      return body.isRepeatable;
    },
    send: ({ upstream, headers: own }, isMisdirectionHeld) =>
      attemptHttp2({ ...sending, upstream, headers: [sending.headers, own], body, isMisdirectionHeld }),
  };
}

const CHUNKED = ["transfer-encoding", "chunked"];
