import type { Problem } from "../../problem.js";
import type { ClientAnswer, ClientRequest } from "../client-exchange.js";

const GRPC_TYPE = /^application\/grpc(?:$|[+;])/i;
const CONNECT_STREAM_TYPE = /^application\/connect\+/i;

/** Whether a request is a call of gRPC, which goes by HTTP/2 all the way. gRPC-Web and Connect go by either. */
export function isGrpc({ httpVersion, headers }: Pick<ClientRequest, "httpVersion" | "headers">): boolean {
  return httpVersion === "2.0" && GRPC_TYPE.test(headers["content-type"] ?? "");
}

/**
 * Whether a request may be answered while it is still asked, in both directions at once: a call of gRPC, or a stream of Connect
 * that came by HTTP/2.
 */
export function isDuplex(req: Pick<ClientRequest, "httpVersion" | "headers">): boolean {
  return isGrpc(req) || (req.httpVersion === "2.0" && CONNECT_STREAM_TYPE.test(req.headers["content-type"] ?? ""));
}

/** Status codes of gRPC: https://grpc.github.io/grpc/core/md_doc_statuscodes.html. */
const UNKNOWN = 2;
const CODES = new Map([
  [400, 3],
  [401, 16],
  [403, 7],
  [404, 5],
  [408, 4],
  [421, 9],
  // As gRPC's own clients read these; they may repeat the call.
  [429, 14],
  [501, 12],
  [502, 14],
  [503, 14],
  [504, 14],
  [508, 13],
]);
/** There is no such method, rather than no such thing. */
const UNIMPLEMENTED = 12;

/** Answers a call with a problem: status and message in the only headers that there are. */
export function sendGrpcProblem(res: ClientAnswer, { status, code, detail, headers }: Problem): void {
  const grpcStatus = code === "PATH_UNKNOWN" ? UNIMPLEMENTED : (CODES.get(status) ?? UNKNOWN);
  res.writeHead(200, {
    ...headers,
    "content-type": "application/grpc",
    "grpc-status": String(grpcStatus),
    "grpc-message": encodeMessage(`${code}: ${detail}`),
  });
  res.end();
}

/** As `grpc-message` is written: UTF-8, with `%` and what is not printable ASCII in percent encoding. */
function encodeMessage(text: string): string {
  let message = "";
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    message += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return message;
}
