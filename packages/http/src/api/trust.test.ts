import { expect, test } from "@jest/globals";
import { parseTrustedProxies } from "../trusted-proxies.js";
import { echo, MEMBER_TOKEN, startTestServer } from "./test-support.js";
import { readClient, toLimitKey } from "./trust.js";

/** The client of a request that came from `peer` and says `headers`. */
function clientOf(peer: string, headers: Record<string, string>, trusted: readonly string[] = ["10.0.0.0/8", "::1"]) {
  const req = { socket: { remoteAddress: peer }, headers: { host: "us.example.com", ...headers } };
  return readClient(req as unknown as Parameters<typeof readClient>[0], {
    trustedProxies: parseTrustedProxies(trusted),
  });
}
const addressOf = (peer: string, said: string, trusted?: readonly string[]) =>
  clientOf(peer, { "x-forwarded-for": said }, trusted).address;

test("what a peer that is not trusted says of addresses, scheme and host counts for nothing", () => {
  const said = { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https", "x-forwarded-host": "evil.example" };
  expect(clientOf("203.0.113.9", said)).toEqual({ address: "203.0.113.9", isHttps: false, host: "us.example.com" });
  expect(clientOf("10.0.0.1", said)).toEqual({ address: "192.0.2.1", isHttps: true, host: "evil.example" });
  expect(addressOf("10.0.0.1", "192.0.2.1", [])).toBe("10.0.0.1");
  expect(clientOf("10.0.0.1", {}, [])).toEqual({ address: "10.0.0.1", isHttps: false, host: "us.example.com" });
});

test("the list is read from the right, through trusted proxies only: what a client put before it is not believed", () => {
  expect(addressOf("10.0.0.1", "198.51.100.7, 192.0.2.1, 10.0.0.2")).toBe("192.0.2.1");
  expect(addressOf("10.0.0.1", "10.9.9.9, 192.0.2.1")).toBe("192.0.2.1");
  expect(addressOf("10.0.0.1", "10.0.0.3, 10.0.0.2")).toBe("10.0.0.3");
});

test.each(["", "garbage", "unknown", "1.2.3", "999.1.1.1", "[::1", "::1%eth0", "'; drop table", "1.2.3.4:999999"])(
  "an entry that is no address (%j) is never a client: the proxy that wrote it stands for it",
  (entry) => {
    expect(addressOf("10.0.0.1", entry)).toBe("10.0.0.1");
    expect(addressOf("10.0.0.1", `192.0.2.1, ${entry}, 10.0.0.2`)).toBe("10.0.0.2");
  },
);

test("addresses are read with and without a port, IPv6 and IPv4 inside IPv6 too", () => {
  expect(addressOf("10.0.0.1", "192.0.2.1:4711")).toBe("192.0.2.1");
  expect(addressOf("::1", "2001:db8::1")).toBe("2001:db8::1");
  expect(addressOf("::1", "[2001:db8::1]:4711, [::1]:80")).toBe("2001:db8::1");
  expect(addressOf("::ffff:10.0.0.1", "::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(addressOf("::ffff:a00:1", "192.0.2.1, ::ffff:0a00:0002")).toBe("192.0.2.1");
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8::3:4:5:6:7", "2001:db8:0:3::/64"],
  ["::1", "0:0:0:0::/64"],
  ["1::3:4:5:6:192.0.2.1", "1:0:3:4::/64"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["", ""],
])("requests of %s are counted as those of %s", (address, key) => {
  expect(toLimitKey(address)).toBe(key);
});

test("behind a trusted proxy each client has its own limit, and is noted by its own address", async () => {
  const trust = { trustedProxies: parseTrustedProxies(["127.0.0.1"]) };
  const routeLimits = { perToken: 100, perOrganization: 100, perStranger: 1 };
  const server = await startTestServer([echo], { trust, routeLimits });
  const ask = async (address: string, token: string) =>
    fetch(`${server.address}/api/0/organizations/acme/echo/`, {
      method: "POST",
      body: '{"name":"a"}',
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "x-forwarded-for": address },
    });
  const statuses = [await ask("192.0.2.1", "x"), await ask("192.0.2.1", "x"), await ask("192.0.2.2", "x")];
  expect(statuses.map(({ status }) => status)).toEqual([401, 429, 401]);
  await ask("192.0.2.3", MEMBER_TOKEN);
  expect(server.noted).toEqual(["7 192.0.2.3"]);
  await server.close();
});
