import { type AttemptEnd, attempt } from "./attempt.js";
import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { isGrpc } from "./grpc.js";
import { formatRequestHead } from "./headers.js";
import { attemptHttp2 } from "./http2-attempt.js";
import { KeptBody } from "./kept-body.js";
import type { ProxyTarget } from "./proxy-request.js";
import { takeBody } from "./request-body.js";

/** What is the same in all attempts to have a request answered. */
export interface Sending {
  readonly req: ClientRequest;
  readonly res: ClientAnswer;
  /** Headers as they go on, but for those of the target. */
  readonly headers: readonly string[];
  readonly requestId: string;
  readonly answerHeaders: readonly string[];
  /** Bytes of a body that are kept so that it can be sent again. */
  readonly repeatableMaxBytes: number;
}

/** Sends one request, as often as need be. */
export interface Sender {
  /** Whether it can be sent again. */
  readonly isRepeatable: boolean;
  /** Never rejects. */
  send(target: ProxyTarget, isMisdirectionHeld: boolean): Promise<AttemptEnd>;
}

/**
 * The sender of a request, which reads a body that is short and of a known length first.
 *
 * @throws what reading the request fails with, as a rejection: the client is gone.
 */
export function createSender(sending: Sending): Promise<Sender> {
  return isGrpc(sending.req) ? Promise.resolve(createHttp2Sender(sending)) : createHttp1Sender(sending);
}

async function createHttp1Sender(sending: Sending): Promise<Sender> {
  const { req, headers } = sending;
  const body = await takeBody(req, sending.repeatableMaxBytes);
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

function createHttp2Sender(sending: Sending): Sender {
  const body = new KeptBody(sending.req, sending.repeatableMaxBytes);
  return {
    get isRepeatable() {
      return body.isRepeatable;
    },
    send: ({ upstream, headers: own }, isMisdirectionHeld) =>
      attemptHttp2({ ...sending, upstream, headers: [sending.headers, own], body, isMisdirectionHeld }),
  };
}

const CHUNKED = ["transfer-encoding", "chunked"];
