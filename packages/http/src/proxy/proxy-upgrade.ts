import { type IncomingMessage, request, ServerResponse } from "node:http";
import { request as requestTls } from "node:https";
import type { Socket } from "node:net";
import { sendProblem } from "../problem.js";
import { receiveHeaders } from "./headers.js";
import { createProxyProblem, type ProxyProblemCode, readFailure } from "./problems.js";
import type { ProxyOptions, ProxyResult } from "./proxy-request.js";

/** A request to change the protocol, as `upgrade` events give it. */
export interface UpgradeRequest {
  readonly req: IncomingMessage;
  readonly socket: Socket;
  /** What the client sent beyond the request. */
  readonly head: Buffer;
}

/**
 * Whether an upgrade may be sent on. To nothing but WebSocket: an upstream that agreed to `h2c` would then read requests that nobody
 * here has seen.
 */
export function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/** Whether a request that asks for an upgrade has a body, which node leaves unread. */
export function hasUnreadBody({ headers }: IncomingMessage): boolean {
  const { "content-length": length = "0", "transfer-encoding": coding } = headers;
  return length !== "0" || coding !== undefined;
}

/** The answer to an upgrade that is refused: an ordinary one, after which the connection ends. */
export function createUpgradeResponse({ req, socket }: UpgradeRequest): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  res.on("finish", () => socket.end());
  return res;
}

/**
 * Sends an upgrade on (WebSocket) and, when the upstream agrees, ties both connections together until one ends. It takes one of
 * the upstream's places for as long as that. Never sent twice. Never rejects.
 */
export function proxyUpgrade(upgrade: UpgradeRequest, options: ProxyOptions): Promise<ProxyResult> {
  const { req } = upgrade;
  const { upstream } = options.target;
  const { requestId, headers } = receiveHeaders(req, options);
  const admission = upstream.admit();
  if (typeof admission === "string") return Promise.resolve(refuse(upgrade, options, { code: admission, requestId }));
  const { judge, giveBack } = admission;
  return tie(upgrade, options, { requestId, headers, judge }).finally(giveBack);
}

interface Sent {
  readonly requestId: string;
  readonly headers: string[];
  readonly judge: (verdict: "success" | "failure" | "neutral") => void;
}

function tie(
  upgrade: UpgradeRequest,
  options: ProxyOptions,
  { requestId, headers, judge }: Sent,
): Promise<ProxyResult> {
  const { req, socket, head } = upgrade;
  const { upstream, headers: own } = options.target;
  const result = (status: number, code?: string): ProxyResult => ({ status, code, upstream, repeats: 0, requestId });
  return new Promise((resolve) => {
    const { hostname, port, protocol } = new URL(upstream.origin);
    const isTls = protocol === "https:";
    const sent = (isTls ? requestTls : request)({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port || (isTls ? 443 : 80),
      method: req.method ?? "GET",
      path: req.url ?? "/",
      headers: [...headers, ...own, "connection", "upgrade", "upgrade", req.headers.upgrade ?? ""],
      timeout: upstream.limits.firstByteTimeoutMs,
      agent: false,
    });
    let isJudged = false;
    const judgeOnce = (verdict: "success" | "failure" | "neutral") => {
      if (!isJudged) judge(verdict);
      isJudged = true;
    };
    const onGone = () => {
      sent.destroy();
      judgeOnce("neutral");
      resolve(result(499));
    };
    socket.once("close", onGone);
    sent.on("timeout", () => sent.destroy(Object.assign(new Error("no answer"), { code: "UPSTREAM_TIMEOUT" })));
    sent.on("error", (error) => {
      if (isJudged) return;
      socket.off("close", onGone);
      judgeOnce("failure");
      resolve(refuse(upgrade, options, { code: readFailure(error).code, requestId }));
    });
    sent.on("response", (answer) => {
      socket.off("close", onGone);
      judgeOnce("success");
      const res = createUpgradeResponse(upgrade);
      res.writeHead(answer.statusCode ?? 502, {
        "content-type": answer.headers["content-type"] ?? "text/plain",
        connection: "close",
      });
      answer.pipe(res);
      answer.on("error", () => socket.destroy());
      res.on("close", () => resolve(result(answer.statusCode ?? 502)));
    });
    sent.on("upgrade", (answer, far, farHead) => {
      socket.off("close", onGone);
      judgeOnce("success");
      writeSwitch(socket, answer, [...(options.answerHeaders ?? []), "x-request-id", requestId]);
      join(socket, far, { head, farHead, idleMs: upstream.limits.idleTimeoutMs }, () => resolve(result(101)));
    });
    sent.end();
  });
}

/** Says 101 with the headers of the upstream's answer, none of which is of a connection but those of the switch itself. */
function writeSwitch(socket: Socket, answer: IncomingMessage, more: readonly string[]): void {
  const lines = ["HTTP/1.1 101 Switching Protocols"];
  const raw = [...answer.rawHeaders, ...more];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (/^(?:keep-alive|transfer-encoding|content-length|proxy-)/i.test(name)) continue;
    lines.push(`${name}: ${raw[index + 1] ?? ""}`);
  }
  socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

function join(
  near: Socket,
  far: Socket,
  { head, farHead, idleMs }: { head: Buffer; farHead: Buffer; idleMs: number },
  onEnd: () => void,
): void {
  if (farHead.byteLength > 0) near.write(farHead);
  if (head.byteLength > 0) far.write(head);
  let open = 2;
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.setTimeout(idleMs, () => one.destroy());
    one.on("error", () => other.destroy());
    one.on("close", () => {
      other.destroySoon();
      open -= 1;
      if (open === 0) onEnd();
    });
    one.pipe(other);
  }
}

function refuse(
  upgrade: UpgradeRequest,
  options: ProxyOptions,
  { code, requestId }: { code: ProxyProblemCode; requestId: string },
): ProxyResult {
  const { upstream } = options.target;
  const problem = createProxyProblem(code, upstream);
  const headers = { ...problem.headers, connection: "close", "x-request-id": requestId };
  sendProblem(createUpgradeResponse(upgrade), { ...problem, headers });
  return { status: problem.status, code, upstream, repeats: 0, requestId };
}
