import { BlockList, isIP } from "node:net";

/**
 * The proxies that are believed: addresses and networks, `10.0.0.0/8`, `::1`.
 *
 * @throws RangeError with the entry that is neither as its message.
 */
export function parseTrustedProxies(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/", 2);
    const family = isIP(address);
    const bitsMax = family === 6 ? 128 : 32;
    const length = bits === undefined ? bitsMax : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || address.includes("%") || !(length <= bitsMax)) throw new RangeError(entry);
    list.addSubnet(address, length, family === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

/** Whether an address, as {@link toPlainAddress} writes it, is one of those that are believed. No list: nobody is. */
export function isTrustedProxy(address: string, trusted: BlockList | undefined): boolean {
  const [plain = ""] = address.split("%", 1);
  const family = isIP(plain);
  return trusted !== undefined && family !== 0 && trusted.check(plain, family === 6 ? "ipv6" : "ipv4");
}

/** The two ways of writing an IPv4 address inside an IPv6 one: `::ffff:1.2.3.4` and `::ffff:102:304`. */
const MAPPED = /^(?:::|(?:0{1,4}:){5})ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i;

/** An IPv4 address that came over an IPv6 socket as IPv4; any other as it is. */
export function toPlainAddress(address: string): string {
  const match = MAPPED.exec(address);
  if (match === null) return address;
  const [, dotted, high = "0", low = "0"] = match;
  if (dotted !== undefined) return dotted;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join(".");
}
