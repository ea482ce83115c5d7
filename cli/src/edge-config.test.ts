import { ConfigError } from "@cellway/silo";
import { describe, expect, it } from "@jest/globals";
import { parseEdgeConfig } from "./edge-config.js";

const KEYS = `k1:${Buffer.alloc(32, 7).toString("base64")}`;
const ENV = {
  CELLWAY_EDGE_NAME: "us-router",
  CELLWAY_CONTROL_RPC_ADDRESS: "http://control.internal:8001",
  CELLWAY_EDGE_LOCALITIES: "us, de",
  CELLWAY_RPC_KEYS: KEYS,
};
const parse = (env: Record<string, string>) => parseEdgeConfig({ ...ENV, ...env }, () => {});

describe("the settings of a router", () => {
  it("need no more than a name, control, localities and keys", () => {
    const config = parse({});
    expect(config.identity.name).toBe("edge:us-router");
    expect(config.localities).toEqual(["us", "de"]);
    expect([config.limits.healthCheckMs, config.listen, config.localityUrl, config.operatorToken]).toEqual([
      5_000,
      "http://127.0.0.1:8100",
      "http://{locality}.localhost:8100",
      undefined,
    ]);
  });

  it("say how often cells are checked, or that they are not", () => {
    const read = (text: string) => parse({ CELLWAY_EDGE_HEALTH_CHECK_SECONDS: text }).limits.healthCheckMs;
    expect(["0", "7", "3600"].map(read)).toEqual([0, 7_000, 3_600_000]);
  });

  it("say what a cell may have in flight, and how long it may be silent", () => {
    const settings = { IN_FLIGHT_MAX: "2000", FIRST_BYTE_SECONDS: "90", IDLE_SECONDS: "86400" };
    const config = parse(
      Object.fromEntries(Object.entries(settings).map(([name, value]) => [`CELLWAY_EDGE_${name}`, value])),
    );
    expect(config.limits).toMatchObject({ inFlightMax: 2_000, firstByteTimeoutMs: 90_000, idleTimeoutMs: 86_400_000 });
    expect(parse({}).limits).toMatchObject({ inFlightMax: 512, firstByteTimeoutMs: 30_000, idleTimeoutMs: 120_000 });
  });

  it("say hosts, static routes and trusted proxies", () => {
    const config = parse({
      CELLWAY_EDGE_HOSTS: "acme.example.com=us",
      CELLWAY_EDGE_STATIC_ROUTES: "/legacy/=us1 /legacy/two/=us2",
      CELLWAY_EDGE_TRUSTED_PROXIES: "10.0.0.0/8, ::1",
    });
    expect([...config.hosts, ...config.staticRoutes]).toEqual([
      ["acme.example.com", "us"],
      ["/legacy/", "us1"],
      ["/legacy/two/", "us2"],
    ]);
    const isTrusted = (address: string) =>
      config.trustedProxies.check(address, address.includes(":") ? "ipv6" : "ipv4");
    expect(["10.1.2.3", "11.1.2.3", "::1", "::2"].map(isTrusted)).toEqual([true, false, true, false]);
  });

  it.each([
    ["CELLWAY_EDGE_NAME", "Edge:1"],
    ["CELLWAY_EDGE_LOCALITIES", ","],
    ["CELLWAY_EDGE_LOCALITIES", "US"],
    ["CELLWAY_CONTROL_RPC_ADDRESS", "control:8001"],
    ["CELLWAY_EDGE_LOCALITY_URL", "https://us.example.com"],
    ["CELLWAY_EDGE_LOCALITY_URL", "https://{locality}.example.com/path"],
    ["CELLWAY_EDGE_HOSTS", "fr.example.com=fr"],
    ["CELLWAY_EDGE_HOSTS", "us.example.com:443=us"],
    ["CELLWAY_EDGE_STATIC_ROUTES", "legacy=us1"],
    ["CELLWAY_EDGE_STATIC_ROUTES", "/legacy/"],
    ["CELLWAY_EDGE_TRUSTED_PROXIES", "10.0.0.0/33"],
    ["CELLWAY_EDGE_TRUSTED_PROXIES", "proxy.internal"],
    ["CELLWAY_EDGE_OPERATOR_TOKEN", "short"],
    ["CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "3601"],
    ["CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "-1"],
    ["CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "0.5"],
    ["CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "5s"],
    ["CELLWAY_EDGE_IN_FLIGHT_MAX", "0"],
    ["CELLWAY_EDGE_IN_FLIGHT_MAX", "100001"],
    ["CELLWAY_EDGE_FIRST_BYTE_SECONDS", "0"],
    ["CELLWAY_EDGE_FIRST_BYTE_SECONDS", "1.5"],
    ["CELLWAY_EDGE_IDLE_SECONDS", "86401"],
    ["CELLWAY_HTTP_LISTEN", "http://127.0.0.1:8100"],
  ])(
    "%s = %j is refused at the start, by name and rule: a typing error never becomes a 404 (defect 14)",
    (name, value) => {
      let failure: unknown;
      try {
        parse({ [name]: value });
      } catch (error) {
        failure = error;
      }
      expect(failure).toBeInstanceOf(ConfigError);
      expect((failure as ConfigError).message).toContain(name);
      if (name.endsWith("TOKEN")) expect((failure as ConfigError).message).not.toContain(value);
    },
  );
});
