import type { IncomingMessage } from "node:http";
import { type BlockList, isIP } from "node:net";
import { isTrustedProxy, toPlainAddress } from "../trusted-proxies.js";

/** What a public listener believes of what requests say of themselves. */
export interface RequestTrust {
  /** Proxies before this process whose X-Forwarded-For, -Proto and -Host are believed. Default: nobody. */
  readonly trustedProxies?: BlockList;
  /** Origins, `https://app.example.com`, whose pages may send requests with a session cookie. Default: the very host alone. */
  readonly allowedOrigins?: ReadonlySet<string>;
}

/** The client of a request, as the nearest proxies that are believed say it. */
export interface RequestClient {
  /** An IPv4 or IPv6 address, without a port; empty when the connection has gone already. */
  readonly address: string;
  /** The client itself used TLS. */
  readonly isHttps: boolean;
  /** The host and port that the client asked: `us.example.com`. */
  readonly host: string;
}

/**
 * What stands for an address where requests are counted: of IPv6 the network of 64 bits, for everybody has as many addresses in
 * one as they like.
 */
export function toLimitKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.toLowerCase().split("%", 1)[0]?.split("::", 2) ?? [];
  const before = head.split(":").filter((group) => group !== "");
  const after = tail?.split(":").filter((group) => group !== "") ?? [];
  // An IPv4 address at the end stands for two groups.
  const count = before.length + after.length + (address.includes(".") ? 1 : 0);
  const groups = [...before, ...Array<string>(Math.max(0, 8 - count)).fill("0"), ...after];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}

/**
 * Who sent a request. The list of X-Forwarded-For is read from its right end, where the nearest proxy wrote, as long as those
 * who wrote are believed: what a stranger says of itself further to the left counts for nothing. An entry that is no
 * address ends the walk too, and the proxy that wrote it stands for the client.
 */
export function readClient(req: IncomingMessage, { trustedProxies }: RequestTrust): RequestClient {
  const peer = toPlainAddress(req.socket.remoteAddress ?? "");
  const host = req.headers.host ?? "";
  if (!isTrustedProxy(peer, trustedProxies)) return { address: peer, isHttps: false, host };
  return {
    address: findClient(peer, readList(req, "x-forwarded-for"), trustedProxies),
    isHttps: readList(req, "x-forwarded-proto")[0]?.toLowerCase() === "https",
    host: readList(req, "x-forwarded-host")[0] || host,
  };
}

function findClient(peer: string, said: readonly string[], trusted: BlockList | undefined): string {
  let client = peer;
  for (const entry of said.toReversed()) {
    if (!isTrustedProxy(client, trusted)) return client;
    const address = readAddress(entry);
    if (address === undefined) return client;
    client = address;
  }
  return client;
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`; undefined for what is none of them. */
function readAddress(entry: string): string | undefined {
  const bracketed = /^"?\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?"?$/.exec(entry)?.[1];
  const dotted = /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(entry)?.[1];
  const address = bracketed ?? dotted ?? entry;
  return isIP(address) === 0 || address.includes("%") ? undefined : toPlainAddress(address);
}

function readList(req: IncomingMessage, name: string): string[] {
  const value = req.headers[name];
  return (Array.isArray(value) ? value.join(",") : (value ?? "")).split(",").map((entry) => entry.trim());
}
