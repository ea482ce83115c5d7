import { expect, test } from "@jest/globals";
import { parseIngestConfig, parseIngestRouterConfig } from "./ingest-config.js";

const ID = "cb12a9d2-9a47-4d24-8c5b-1b7c5b2f9d10";
const KEY = "jGk1SUBV3U6m3vM3fZbGrU7fJSkbS6yiSuF4Yj2T3yM";
const parse = (env: Record<string, string>) => parseIngestConfig(env, () => {});

test("an ingest endpoint that is told nothing trusts no Relay and keeps what it gets for three days", () => {
  const options = parse({});
  expect(options.relays?.size).toBe(0);
  expect(options.publicUrl).toBeUndefined();
  expect(options.limits).toMatchObject({ retentionMs: 72 * 3_600_000, keyRequestsPerMinute: 6_000 });
});

test("an ingest endpoint is told which Relays it trusts, and where it is public", () => {
  const options = parse({
    CELLWAY_RELAYS: `${ID}=${KEY}`,
    CELLWAY_INGEST_PUBLIC_URL: "https://us1.ingest.example.com",
    CELLWAY_INGEST_RETENTION_HOURS: "1",
  });
  expect([...(options.relays?.keys() ?? [])]).toEqual([ID]);
  expect(options).toMatchObject({ publicUrl: "https://us1.ingest.example.com", limits: { retentionMs: 3_600_000 } });
});

test.each([
  ["CELLWAY_RELAYS", "x"],
  ["CELLWAY_RELAYS", `${ID}=short`],
  ["CELLWAY_INGEST_PUBLIC_URL", "https://example.com/path"],
  ["CELLWAY_INGEST_RETENTION_HOURS", "0"],
  ["CELLWAY_INGEST_STORED_MAX_BYTES", "7"],
  ["CELLWAY_INGEST_KEY_REQUESTS_PER_MINUTE", "many"],
])("%s=%s is refused, and named", (name, value) => {
  expect(() => parse({ [name]: value })).toThrow(name);
});

test("an ingest router is told its legacy hosts, whom it answers, and as whom it asks", () => {
  const options = parseIngestRouterConfig(
    {
      CELLWAY_EDGE_LEGACY_HOSTS: "in.example.com, o1.example.com",
      CELLWAY_RELAYS: `${ID}=${KEY}`,
      CELLWAY_RELAY_CREDENTIALS: `${ID}=${KEY}`,
    },
    () => {},
  );
  expect(options.legacyHosts).toEqual(["in.example.com", "o1.example.com"]);
  expect(options.credentials?.id).toBe(ID);
});

test.each([
  ["CELLWAY_EDGE_LEGACY_HOSTS", { CELLWAY_EDGE_LEGACY_HOSTS: "in.example.com:443" }],
  ["CELLWAY_RELAY_CREDENTIALS", { CELLWAY_RELAYS: `${ID}=${KEY}` }],
  ["CELLWAY_RELAY_CREDENTIALS", { CELLWAY_RELAY_CREDENTIALS: "x" }],
])("an ingest router refuses what is wrong with %s", (name, env) => {
  expect(() => parseIngestRouterConfig(env, () => {})).toThrow(name);
});
