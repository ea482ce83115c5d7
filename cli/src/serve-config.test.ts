import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_ROUTE_LIMITS } from "@cellway/http";
import type { Alias } from "@cellway/silo";
import { ConfigError } from "@cellway/silo";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Environment } from "./context.js";
import { CONTRACTS } from "./contracts.js";
import { parseMethodList, parseMigrateConfig, parseServeConfig } from "./serve-config.js";
import { SETTINGS } from "./settings.js";
import type { SiloKind } from "./silo-kinds.js";

const KEY = `k1:${Buffer.alloc(32, 7).toString("base64")}`;
const TOPOLOGY = JSON.stringify({
  control: { rpc_address: "http://127.0.0.1:8001" },
  cells: [
    { name: "us1", number: 1, rpc_address: "http://127.0.0.1:8011" },
    { name: "de1", number: 3, rpc_address: "http://127.0.0.1:8031" },
  ],
  localities: [
    { name: "us", cells: ["us1"], new_organization_cell: "us1" },
    { name: "de", cells: ["de1"], new_organization_cell: "de1" },
  ],
});
const GOOD: Environment = {
  CELLWAY_CELL: "us1",
  CELLWAY_TOPOLOGY: TOPOLOGY,
  CELLWAY_DATABASE_URL: "postgres://cellway:s3cret@db/us1",
  CELLWAY_RPC_KEYS: KEY,
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "cellway-cli-"));
  writeFileSync(join(dir, "broken.json"), "{");
  writeFileSync(join(dir, "topology.json"), TOPOLOGY);
  writeFileSync(join(dir, "methods"), "organization.CreateOrganization # too slow today\nuser.*\n");
  writeFileSync(join(dir, "bad-methods"), "organisation.*");
  writeFileSync(join(dir, "keys"), KEY);
});
afterAll(() => rmSync(dir, { recursive: true }));

function parse(env: Environment, kind: SiloKind = "cell", warn: (message: string) => void = () => undefined) {
  return parseServeConfig(kind, env, CONTRACTS, warn);
}

function errorOf(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("good settings", () => {
  test("what the table of settings says is the default is the default", () => {
    const { CELLWAY_CELL: _, ...env } = GOOD;
    const config = parse(env, "control") as unknown as Record<string, unknown>;
    const defaultOf = (name: string) => SETTINGS.find((setting) => setting.name === name)?.fallback;
    expect(String(config["rpcListen"])).toBe(defaultOf("CELLWAY_RPC_LISTEN"));
    expect(String(config["httpListen"])).toBe(defaultOf("CELLWAY_HTTP_LISTEN"));
    expect(String(config["tokensAllowed"])).toBe(defaultOf("CELLWAY_RPC_TOKENS_ALLOWED"));
    expect(String(config["reflection"])).toBe(defaultOf("CELLWAY_RPC_REFLECTION"));
    expect(String(config["messageMaxBytes"])).toBe(defaultOf("CELLWAY_RPC_MESSAGE_MAX_BYTES"));
    expect(String(config["poolMax"])).toBe(defaultOf("CELLWAY_DATABASE_POOL_MAX"));
    expect(String(config["logLevel"])).toBe(defaultOf("CELLWAY_LOG_LEVEL"));
    expect(config["sessions"]).toEqual({
      absoluteSeconds: Number(defaultOf("CELLWAY_SESSION_MAX_SECONDS")),
      idleSeconds: Number(defaultOf("CELLWAY_SESSION_IDLE_SECONDS")),
    });
    expect(config["sessionCookie"]).toEqual({ isAlwaysSecure: false });
  });

  test("the configuration is frozen", () => {
    expect(Object.isFrozen(parse(GOOD))).toBe(true);
  });

  test("a monolith holds every cell of the topology, control none", () => {
    expect(parse(GOOD, "monolith").silo.cells).toEqual(["us1", "de1"]);
    expect(parse(GOOD, "control").silo).toEqual({ name: "control", mode: "CONTROL", cells: [] });
    expect(parse(GOOD, "cell").silo).toEqual({ name: "us1", mode: "CELL", cells: ["us1"] });
  });

  test("topology, keys and switched-off methods may be files", () => {
    const { CELLWAY_RPC_KEYS: _, ...rest } = GOOD;
    const config = parse({
      ...rest,
      CELLWAY_TOPOLOGY: join(dir, "topology.json"),
      CELLWAY_RPC_KEYS_FILE: join(dir, "keys"),
      CELLWAY_RPC_DISABLED_METHODS_FILE: join(dir, "methods"),
    });
    expect([...config.topology.cells.keys()]).toEqual(["us1", "de1"]);
    expect(config.keys).toEqual({ source: join(dir, "keys"), text: KEY, file: join(dir, "keys") });
    expect(parseMethodList(config.disabledMethods?.text ?? "", "file", CONTRACTS)).toEqual([
      "organization.CreateOrganization",
      "user.*",
    ]);
  });

  test("old names work with one warning each, and a name that is not a setting is pointed out", () => {
    const { CELLWAY_CELL: _, ...rest } = GOOD;
    const warnings: string[] = [];
    // TODO(cells): old name.
    const config = parse({ ...rest, CELLWAY_REGION: "de1", CELLWAY_RPC_TOKEN_ALLOWED: "true" }, "cell", (message) =>
      warnings.push(message),
    );
    expect(config.silo.name).toBe("de1");
    expect(warnings).toHaveLength(2);
    // TODO(cells): old name.
    expect(warnings.join()).toContain("CELLWAY_REGION is the old name of CELLWAY_CELL");
    expect(warnings.join()).toContain("CELLWAY_RPC_TOKEN_ALLOWED is not a setting");
    expect([...config.oldNames]).toEqual(["CELLWAY_REGION"]); // TODO(cells): old name.
  });

  test("an old key of the topology works with a warning, and is remembered for who counts such uses", () => {
    const { cells, ...rest } = JSON.parse(TOPOLOGY) as Record<string, unknown>;
    const warnings: string[] = [];
    // TODO(cells): old key.
    const CELLWAY_TOPOLOGY = JSON.stringify({ ...rest, regions: cells });
    const config = parse({ ...GOOD, CELLWAY_TOPOLOGY }, "cell", (message) => warnings.push(message));
    expect([...config.topology.cells.keys()]).toEqual(["us1", "de1"]);
    expect([...config.oldNames]).toEqual(["topology.regions"]); // TODO(cells): old key.
    expect(warnings).toHaveLength(1);
  });

  test("a service of a method list may go by an old key", () => {
    const old: string[] = [];
    const aliases: readonly Alias[] = [
      { kind: "RPC_KEY", old: "account", current: "user", phase: "BOTH", until: "Nobody is given it." },
    ];
    const options = { aliases, onOld: (name: string) => void old.push(name) };
    expect(parseMethodList("account.GetUser, account.*, user.GetUser", "x", CONTRACTS, options)).toEqual([
      "user.GetUser",
      "user.*",
      "user.GetUser",
    ]);
    expect(old).toEqual(["account", "account"]);
  });

  test("the gateway's pinned routes lead each to a cell, in the order in which they are tried", () => {
    const { gateway } = parse({
      ...GOOD,
      CELLWAY_GATEWAY_PINNED_ROUTES: "/api/0/issues/*/=us1, /api/0/shared/**=de1",
    });
    expect(gateway.pinnedRoutes).toEqual([
      { pattern: "/api/0/issues/*/", cell: "us1" },
      { pattern: "/api/0/shared/**", cell: "de1" },
    ]);
  });

  test("the gateway checks its cells as often as the setting says, by default as its table says, and never for 0", () => {
    const read = (CELLWAY_EDGE_HEALTH_CHECK_SECONDS?: string) =>
      parse({ ...GOOD, CELLWAY_EDGE_HEALTH_CHECK_SECONDS }, "control").gateway.limits?.healthCheckMs;
    const fallback = SETTINGS.find(({ name }) => name === "CELLWAY_EDGE_HEALTH_CHECK_SECONDS")?.fallback;
    expect([undefined, "0", "7", "3600"].map(read)).toEqual([Number(fallback) * 1_000, 0, 7_000, 3_600_000]);
  });

  test("proxies are trusted that the setting names, and nobody by default", () => {
    const trusts = (env: Environment, address: string) => parse(env).trust.trustedProxies?.check(address);
    expect([
      trusts({ ...GOOD, CELLWAY_HTTP_TRUSTED_PROXIES: "10.0.0.0/8" }, "10.1.2.3"),
      trusts(GOOD, "10.1.2.3"),
    ]).toEqual([true, false]);
  });

  test("requests a minute are limited as the settings say", () => {
    const limits = {
      CELLWAY_HTTP_TOKEN_LIMIT: "10",
      CELLWAY_HTTP_ORGANIZATION_LIMIT: "20",
      CELLWAY_HTTP_STRANGER_LIMIT: "5",
    };
    expect(parse({ ...GOOD, ...limits }).routeLimits).toEqual({ perToken: 10, perOrganization: 20, perStranger: 5 });
    expect(parse(GOOD).routeLimits).toEqual(DEFAULT_ROUTE_LIMITS);
  });

  test("how sessions last, and their cookie, is said by settings; a short life shortens the time without use", () => {
    const config = parse({
      ...GOOD,
      CELLWAY_SESSION_MAX_SECONDS: "3600",
      CELLWAY_SESSION_COOKIE_DOMAIN: "localhost",
      CELLWAY_SESSION_COOKIE_SECURE: "always",
      CELLWAY_HTTP_ALLOWED_ORIGINS: "https://app.example.com http://localhost:3000",
    });
    expect(config.sessions).toEqual({ absoluteSeconds: 3_600, idleSeconds: 3_600 });
    expect(config.sessionCookie).toEqual({ domain: "localhost", isAlwaysSecure: true });
    expect(config.trust.allowedOrigins).toEqual(new Set(["https://app.example.com", "http://localhost:3000"]));
  });

  test("a unix socket's URL is a database URL", () => {
    expect(parse({ ...GOOD, CELLWAY_DATABASE_URL: "postgres://cellway@/us1?host=/tmp/x" }).databaseUrl).toBe(
      "postgres://cellway@/us1?host=/tmp/x",
    );
  });

  test("migrate needs only the database, and for a cell its name", () => {
    const warn = () => undefined;
    const CELLWAY_DATABASE_URL = "postgres://cellway@db/control";
    expect(parseMigrateConfig("control", { CELLWAY_DATABASE_URL }, warn).silo.name).toBe("control");
    expect(errorOf(() => parseMigrateConfig("cell", { CELLWAY_DATABASE_URL }, warn)).message).toContain("CELLWAY_CELL");
  });
});

describe("bad settings name source, key, value and rule", () => {
  test.each<[string, string | undefined, { source?: string; key?: string; value?: unknown; rule: string | RegExp }]>([
    ["CELLWAY_CELL", "us9", { value: "us9", rule: "must be one of the topology's cells: us1, de1" }],
    ["CELLWAY_CELL", undefined, { value: undefined, rule: "must be one of the topology's cells: us1, de1" }],
    // TODO(cells): old name.
    ["CELLWAY_REGION", "de1", { value: "de1", rule: "differs from CELLWAY_CELL; remove CELLWAY_REGION, its old name" }],
    ["CELLWAY_TOPOLOGY", undefined, { value: undefined, rule: "must be the path of a topology file, or its JSON" }],
    ["CELLWAY_TOPOLOGY", "/nowhere/t.json", { value: "/nowhere/t.json", rule: /can be read \(ENOENT\)/ }],
    ["CELLWAY_TOPOLOGY", "{", { value: "{", rule: /must be JSON/ }],
    ["CELLWAY_TOPOLOGY", "DIR/broken.json", { source: "DIR/broken.json", value: "{", rule: /must be JSON/ }],
    [
      "CELLWAY_TOPOLOGY",
      '{"control":{"rpc_address":"x"}}',
      { key: "control.rpc_address", value: "x", rule: /origin without a path/ },
    ],
    ["CELLWAY_DATABASE_URL", undefined, { value: undefined, rule: /must be postgres:\/\/user/ }],
    ["CELLWAY_DATABASE_URL", "mysql://root:s3cret@db/x", { value: "(hidden)", rule: /must be postgres:\/\/user/ }],
    ["CELLWAY_DATABASE_URL", "postgres://u:s3cret@db", { value: "(hidden)", rule: /must be postgres:\/\/user/ }],
    [
      "CELLWAY_DATABASE_URL",
      "postgres://u:s3cret@/?host=/tmp/x",
      { value: "(hidden)", rule: /must be postgres:\/\/user/ },
    ],
    ["CELLWAY_DATABASE_URL", "postgres://db/control", { value: "(hidden)", rule: /must be postgres:\/\/user/ }],
    ["CELLWAY_DATABASE_URL", "postgres://u@/control", { value: "(hidden)", rule: /must be postgres:\/\/user/ }],
    ["CELLWAY_DATABASE_URL", "postgres://u:s3cr@et@db/x", { value: "(hidden)", rule: /percent-encoded/ }],
    ["CELLWAY_DATABASE_POOL_MAX", "0", { value: "0", rule: "must be a whole number of 1 to 500" }],
    ["CELLWAY_DATABASE_POOL_MAX", "ten", { value: "ten", rule: "must be a whole number of 1 to 500" }],
    ["CELLWAY_RPC_LISTEN", "8001", { value: "8001", rule: /must be an http:\/\/ origin with a port/ }],
    ["CELLWAY_RPC_LISTEN", "https://0.0.0.0:8001", { rule: /must be an http:\/\/ origin with a port/ }],
    ["CELLWAY_RPC_LISTEN", "http://0.0.0.0:70000", { rule: /must be an http:\/\/ origin with a port/ }],
    ["CELLWAY_HTTP_LISTEN", "http://127.0.0.1:8000/x", { rule: /must be an http:\/\/ origin with a port/ }],
    ["CELLWAY_HTTP_LISTEN", "http://127.0.0.1:8001", { rule: /must differ from CELLWAY_RPC_LISTEN/ }],
    [
      "CELLWAY_GATEWAY_PINNED_ROUTES",
      "/api/0/issues/*=us1",
      { value: "/api/0/issues/*=us1", rule: /must be \/path\/=cell/ },
    ],
    ["CELLWAY_GATEWAY_PINNED_ROUTES", "/api/**/x/=us1", { value: "/api/**/x/=us1", rule: /a last \*\*/ }],
    ["CELLWAY_EDGE_OPERATOR_TOKEN", "short", { value: "(hidden)", rule: /at least 32 printable/ }],
    ["CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "5s", { value: "5s", rule: "must be whole seconds, 0 to 3600" }],
    ["CELLWAY_EDGE_HEALTH_CHECK_SECONDS", "3601", { value: "3601", rule: "must be whole seconds, 0 to 3600" }],
    ["CELLWAY_HTTP_TRUSTED_PROXIES", "10.0.0.0/8 router", { value: "router", rule: /must be addresses or networks/ }],
    ["CELLWAY_HTTP_ALLOWED_ORIGINS", "https://app.example.com/", { rule: /must be origins as browsers write them/ }],
    ["CELLWAY_HTTP_STRANGER_LIMIT", "0", { value: "0", rule: /must be whole requests a minute, 1 to/ }],
    ["CELLWAY_SESSION_COOKIE_DOMAIN", "https://example.com", { rule: /must be a domain in lower case/ }],
    ["CELLWAY_SESSION_COOKIE_SECURE", "yes", { value: "yes", rule: "must be one of auto, always" }],
    ["CELLWAY_SESSION_MAX_SECONDS", "30d", { value: "30d", rule: /must be whole seconds, 60 to/ }],
    ["CELLWAY_SESSION_IDLE_SECONDS", "2592001", { rule: "must be at most CELLWAY_SESSION_MAX_SECONDS, 2592000" }],
    ["CELLWAY_RPC_KEYS", undefined, { value: undefined, rule: /cellway keys generate/ }],
    ["CELLWAY_RPC_KEYS", "k1:c2hvcnQ=", { key: "[0]", value: "k1", rule: /at least 32 bytes/ }],
    ["CELLWAY_RPC_KEYS", `${KEY},${KEY}`, { key: "[1]", value: "k1", rule: /ids must differ/ }],
    [
      "CELLWAY_RPC_KEYS_FILE",
      "DIR/keys",
      { value: "DIR/keys", rule: "must not be set together with CELLWAY_RPC_KEYS; keep one of the two" },
    ],
    [
      "CELLWAY_RPC_DISABLED_METHODS",
      "organization.Create",
      { key: "[0]", value: "organization.Create", rule: /must be service.Method or service/ },
    ],
    [
      "CELLWAY_RPC_DISABLED_METHODS",
      "user.*, nothing.*",
      { key: "[1]", value: "nothing.*", rule: /must be service.Method or service/ },
    ],
    [
      "CELLWAY_RPC_DISABLED_METHODS_FILE",
      "DIR/bad-methods",
      { source: "DIR/bad-methods", key: "[0]", value: "organisation.*", rule: /must be service/ },
    ],
    ["CELLWAY_RPC_DISABLED_METHODS_FILE", "DIR", { value: "DIR", rule: /can be read \(EISDIR\)/ }],
    ["CELLWAY_EDGE_FEED_KEYS", "short-s3cret", { key: "[0]", value: "(hidden)", rule: /32 or more printable/ }],
    ["CELLWAY_EDGE_FEED_KEYS_FILE", "DIR/no-keys", { value: "DIR/no-keys", rule: /can be read \(ENOENT\)/ }],
    ["CELLWAY_RPC_TOKENS_ALLOWED", "yes", { value: "yes", rule: "must be one of true, false" }],
    ["CELLWAY_RPC_REFLECTION", "on", { value: "on", rule: "must be one of open, token, off" }],
    ["CELLWAY_RPC_MESSAGE_MAX_BYTES", "4MiB", { value: "4MiB", rule: "must be a whole number of 1024 to 268435456" }],
    ["CELLWAY_LOG_LEVEL", "verbose", { value: "verbose", rule: "must be one of debug, info, warn, error, silent" }],
  ])("%s = %s", (name, value, expected) => {
    const here = (text: string) => text.replace("DIR", dir);
    const error = errorOf(() => parse({ ...GOOD, [name]: value === undefined ? undefined : here(value) }));
    expect(error.source).toBe(here(expected.source ?? `environment variable ${name}`));
    expect(error.key).toBe(expected.key ?? "");
    if ("value" in expected)
      expect(error.value).toBe(typeof expected.value === "string" ? here(expected.value) : expected.value);
    if (typeof expected.rule === "string") expect(error.rule).toBe(expected.rule);
    else expect(error.rule).toMatch(expected.rule);
    expect(error.message).toContain(error.source);
    expect(error.message).not.toContain("s3cret");
    expect(error.message).not.toContain("BwcHBw");
  });
});
