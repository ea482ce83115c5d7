import { randomUUID } from "node:crypto";
import { type BlockList, isIP } from "node:net";
import { isTrustedProxy, toPlainAddress } from "../trusted-proxies.js";
import type { ClientRequest } from "./client-exchange.js";

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
const NOT_IN_TRAILERS = new Set([
  "authorization",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "host",
  "max-forwards",
  "set-cookie",
  "trailer",
  "via",
  "x-request-id",
]);
const CONNECTION = "connection";
const TRANSFER_ENCODING = "transfer-encoding";
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
export function receiveHeaders(req: ClientRequest, rules: ForwardingRules): Received {
  const named = namedInConnection(req.headers.connection);
  const isChunked = req.headers[TRANSFER_ENCODING] !== undefined;
  const headers: string[] = [];
  const { rawHeaders } = req;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    if (HOP_BY_HOP.has(name) || FORWARDING.has(name) || name.startsWith(OWN_PREFIX) || named?.has(name) === true)
      continue;
    // Trailers come after chunks only.
    if (name === "via" || (name === "trailer" && !isChunked) || name === "x-request-id") continue;
    headers.push(name, rawHeaders[index + 1] ?? "");
  }
  const said = req.headers["x-request-id"];
  const requestId = typeof said === "string" && REQUEST_ID.test(said) ? said : randomUUID();
  headers.push("x-request-id", requestId, "via", joinList(req.headers.via, `${req.httpVersion} ${rules.name}`));
  pushForwarding(headers, req, rules.trustedProxies);
  return { requestId, headers };
}

/** The head of a request as it is sent: its first line and headers, of lists of names and values in turn, with the empty line. */
export function formatRequestHead(
  { method = "GET", url = "/" }: { readonly method?: string | undefined; readonly url?: string | undefined },
  lists: readonly (readonly string[])[],
): string {
  let head = `${method} ${url} HTTP/1.1\r\n`;
  for (const list of lists) {
    for (let index = 0; index + 1 < list.length; index += 2) head += `${list[index]}: ${list[index + 1]}\r\n`;
  }
  return `${head}\r\n`;
}

/** Whether this proxy has seen the request before. */
export function isLoop(req: ClientRequest, { name }: ForwardingRules): boolean {
  return req.headers.via?.split(",").some((hop) => hop.trim().split(/\s+/)[1] === name) === true;
}

/**
 * Takes over what goes on from an upstream's answer, and adds to it: names and values in turn, as they came.
 */
export function receiveAnswerHeaders(raw: readonly string[], requestId: string, more: readonly string[]): string[] {
  const headers: string[] = [];
  const { named, isChunked } = readAnswerConnection(raw);
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || lower.startsWith(OWN_PREFIX) || lower === "x-request-id") continue;
    // A length beside chunks is a lie of one of the two: the chunks hold.
    if (named?.has(lower) === true || (isChunked && lower === "content-length")) continue;
    headers.push(name, raw[index + 1] ?? "");
  }
  headers.push("x-request-id", requestId, ...more);
  return headers;
}

function readAnswerConnection(raw: readonly string[]): { named: ReadonlySet<string> | undefined; isChunked: boolean } {
  let named: ReadonlySet<string> | undefined;
  let isChunked = false;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (name.length === CONNECTION.length && name.toLowerCase() === CONNECTION)
      named = new Set([...(named ?? []), ...(namedInConnection(raw[index + 1]) ?? [])]);
    else if (name.length === TRANSFER_ENCODING.length && name.toLowerCase() === TRANSFER_ENCODING) isChunked = true;
  }
  return { named, isChunked };
}

/** The first value of a header among names and values in turn. @param wanted in lower case. */
export function findHeader(raw: readonly string[], wanted: string): string | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (raw[index]?.toLowerCase() === wanted) return raw[index + 1];
  }
  return undefined;
}

/** Names and values in turn, as pairs. */
export function pairUp(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) pairs.push([flat[index] ?? "", flat[index + 1] ?? ""]);
  return pairs;
}

/** What may stand in trailers and goes on from there: nothing by which a message is framed, routed, trusted or read (RFC 9110 §6.5.1). */
export function keepTrailers(raw: readonly string[]): [string, string][] {
  return pairUp(raw).filter(([name]) => {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || FORWARDING.has(lower) || lower.startsWith(OWN_PREFIX)) return false;
    return !NOT_IN_TRAILERS.has(lower);
  });
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

/** Who is at the other end of a connection. */
interface Peer {
  readonly address: string;
  /** As `Forwarded` names it. */
  readonly node: string;
  readonly isTrusted: boolean;
}

/** Looked up once a connection: the list of trusted proxies is slow to ask. */
const peers = new WeakMap<ClientRequest["socket"], Peer>();

function peerOf(socket: ClientRequest["socket"], trusted: BlockList | undefined): Peer {
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const address = toPlainAddress(socket.remoteAddress ?? "");
  const node = isIP(address) === 6 ? `"[${address}]"` : address || "unknown";
  const peer = { address, node, isTrusted: isTrustedProxy(address, trusted) };
  peers.set(socket, peer);
  return peer;
}

function pushForwarding(headers: string[], req: ClientRequest, trusted: BlockList | undefined): void {
  const { address, node, isTrusted } = peerOf(req.socket, trusted);
  const host = req.headers.host ?? "";
  if (!isTrusted) {
    headers.push("x-forwarded-for", address, "x-forwarded-proto", "http", "x-forwarded-host", host);
    headers.push("forwarded", `for=${node};host="${host}";proto=http`);
    return;
  }
  const before = (name: string) => {
    const value = req.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  };
  headers.push("x-forwarded-for", joinList(before("x-forwarded-for"), address));
  headers.push("x-forwarded-proto", before("x-forwarded-proto") ?? "http");
  headers.push("x-forwarded-host", before("x-forwarded-host") ?? host);
  headers.push("forwarded", joinList(before("forwarded"), `for=${node};host="${host}";proto=http`));
}

function joinList(before: string | undefined, last: string): string {
  return before === undefined || before === "" ? last : `${before}, ${last}`;
}
