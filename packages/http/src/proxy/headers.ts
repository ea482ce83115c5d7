import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type BlockList, isIP } from "node:net";
import { isTrustedProxy, toPlainAddress } from "../trusted-proxies.js";

/** Headers of one connection, never sent on (RFC 9110 §7.6.1), and those that this proxy answers itself. */
const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);
/** What says where a request came from; set anew here. */
const FORWARDING = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
]);
/** Only edges and cells say these to each other; what a client says in them is dropped. */
const OWN_PREFIX = "x-cellway-";
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** What a proxy says of itself and whom it believes. */
export interface ForwardingRules {
  /** The name of this process in `Via`: `us-router`. A request that names it already has gone round in a circle. */
  readonly name: string;
  /**
   * Proxies before this one. What they say in X-Forwarded-* and Forwarded is kept and added to; what anybody else says is
   * replaced. Default: nobody.
   */
  readonly trustedProxies?: BlockList;
}

/** A request as the client sent it. */
export interface Received {
  readonly requestId: string;
  /** Names and values in turn, without what goes no further. */
  readonly headers: string[];
}

/** Takes over what goes on from a client's request: names and values in turn, forwarding headers and `x-request-id` set. */
export function receiveHeaders(req: IncomingMessage, rules: ForwardingRules): Received {
  const named = namedInConnection(req.headers.connection);
  const headers: string[] = [];
  const { rawHeaders } = req;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    if (HOP_BY_HOP.has(name) || FORWARDING.has(name) || name.startsWith(OWN_PREFIX) || named?.has(name) === true)
      continue;
    if (name === "via" || name === "trailer" || name === "x-request-id") continue;
    headers.push(name, rawHeaders[index + 1] ?? "");
  }
  const said = req.headers["x-request-id"];
  const requestId = typeof said === "string" && REQUEST_ID.test(said) ? said : randomUUID();
  headers.push("x-request-id", requestId, "via", joinList(req.headers.via, `${req.httpVersion} ${rules.name}`));
  pushForwarding(headers, req, rules.trustedProxies);
  return { requestId, headers };
}

/** Whether this proxy has seen the request before. */
export function isLoop(req: IncomingMessage, { name }: ForwardingRules): boolean {
  return req.headers.via?.split(",").some((hop) => hop.trim().split(/\s+/)[1] === name) === true;
}

/** Takes over what goes on from an upstream's answer: names and values in turn. */
export function receiveAnswerHeaders(raw: readonly Buffer[], requestId: string): string[] {
  const headers: string[] = [];
  let named: ReadonlySet<string> | undefined;
  let isChunked = false;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]?.toString("latin1").toLowerCase() ?? "";
    if (name === "connection")
      named = new Set([...(named ?? []), ...(namedInConnection(textAt(raw, index + 1)) ?? [])]);
    if (name === "transfer-encoding") isChunked = true;
  }
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = textAt(raw, index);
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || lower.startsWith(OWN_PREFIX) || lower === "x-request-id") continue;
    // A length beside chunks is a lie of one of the two: the chunks hold.
    if (named?.has(lower) === true || (isChunked && lower === "content-length")) continue;
    headers.push(name, textAt(raw, index + 1));
  }
  headers.push("x-request-id", requestId);
  return headers;
}

/** The first value of a header among raw ones. */
export function findHeader(raw: readonly Buffer[], wanted: string): string | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (textAt(raw, index).toLowerCase() === wanted) return textAt(raw, index + 1);
  }
  return undefined;
}

/** As strings, byte for byte: names and values in turn. */
export function readTrailers(raw: readonly Buffer[]): [string, string][] {
  const trailers: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) trailers.push([textAt(raw, index), textAt(raw, index + 1)]);
  return trailers;
}

function textAt(raw: readonly Buffer[], index: number): string {
  return raw[index]?.toString("latin1") ?? "";
}

function namedInConnection(value: string | undefined): ReadonlySet<string> | undefined {
  if (value === undefined || /^(?:close|keep-alive)$/i.test(value)) return undefined;
  // `host` and the length say what the request is: a client cannot have them taken out.
  const kept = new Set(["host", "content-length", "close", "keep-alive"]);
  return new Set(
    value
      .toLowerCase()
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !kept.has(name)),
  );
}

function pushForwarding(headers: string[], req: IncomingMessage, trusted: BlockList | undefined): void {
  const peer = toPlainAddress(req.socket.remoteAddress ?? "");
  const isTrusted = isTrustedProxy(peer, trusted);
  const before = (name: string) => {
    const value = isTrusted ? req.headers[name] : undefined;
    return Array.isArray(value) ? value.join(", ") : value;
  };
  const host = req.headers.host ?? "";
  headers.push("x-forwarded-for", joinList(before("x-forwarded-for"), peer));
  headers.push("x-forwarded-proto", before("x-forwarded-proto") ?? "http");
  headers.push("x-forwarded-host", before("x-forwarded-host") ?? host);
  const node = isIP(peer) === 6 ? `"[${peer}]"` : peer || "unknown";
  headers.push("forwarded", joinList(before("forwarded"), `for=${node};host="${host}";proto=http`));
}

function joinList(before: string | undefined, last: string): string {
  return before === undefined || before === "" ? last : `${before}, ${last}`;
}
