import { DEFAULT_INGEST_LIMITS, type IngestOptions } from "@cellway/ingest";
import { parseRelayCredentials, parseRelayKeys, type RelayKeys } from "@cellway/ingest-protocol";
import type { IngestRouterOptions } from "@cellway/ingest-router";
import { createSettingsReader, isOrigin, type SettingsReader } from "@cellway/silo";
import type { Environment } from "./context.js";
import { splitList } from "./http-config.js";
import type { Warn } from "./serve-config.js";
import { badSetting, readWhole } from "./setting-readers.js";

const HOUR_MS = 3_600_000;

/** Reads what the ingest endpoint of a cell is told. @throws ConfigError */
export function parseIngestConfig(env: Environment, warn: Warn): IngestOptions {
  const reader = createSettingsReader(env, warn);
  const publicUrl = readPublicUrl(reader);
  const { keyRequestsPerMinute, retentionMs, storedMaxBytes } = DEFAULT_INGEST_LIMITS;
  return {
    relays: readRelays(reader),
    ...(publicUrl !== undefined && { publicUrl }),
    limits: {
      retentionMs:
        HOUR_MS *
        readWhole(reader, "CELLWAY_INGEST_RETENTION_HOURS", { min: 1, max: 8_760, fallback: retentionMs / HOUR_MS }),
      storedMaxBytes: readWhole(reader, "CELLWAY_INGEST_STORED_MAX_BYTES", {
        min: 1_048_576,
        max: 999_999_999_999,
        fallback: storedMaxBytes,
      }),
      keyRequestsPerMinute: readWhole(reader, "CELLWAY_INGEST_KEY_REQUESTS_PER_MINUTE", {
        min: 1,
        max: 10_000_000,
        fallback: keyRequestsPerMinute,
      }),
    },
  };
}

/** Reads what an ingest router is told besides what every router is. @throws ConfigError */
export function parseIngestRouterConfig(
  env: Environment,
  warn: Warn,
): Pick<IngestRouterOptions, "legacyHosts" | "relays" | "credentials"> {
  const reader = createSettingsReader(env, warn);
  const relays = readRelays(reader);
  const text = reader.read("CELLWAY_RELAY_CREDENTIALS");
  if (text === undefined && relays.size > 0) {
    const rule = "must be set where CELLWAY_RELAYS is: cells answer nobody whom they do not know";
    throw badSetting("CELLWAY_RELAY_CREDENTIALS", "", rule);
  }
  return {
    relays,
    legacyHosts: readLegacyHosts(reader),
    ...(text !== undefined && {
      credentials: parseRelayCredentials(text, "environment variable CELLWAY_RELAY_CREDENTIALS"),
    }),
  };
}

function readLegacyHosts(reader: SettingsReader): string[] {
  const hosts = splitList(reader.read("CELLWAY_EDGE_LEGACY_HOSTS") ?? "");
  const wrong = hosts.find((host) => !/^[a-z0-9.-]+$/.test(host));
  if (wrong !== undefined)
    throw badSetting(
      "CELLWAY_EDGE_LEGACY_HOSTS",
      wrong,
      "must be lower-case hosts without ports, such as in.example.com",
    );
  return hosts;
}

/** Reads CELLWAY_RELAYS: nobody when it is not set. @throws ConfigError */
function readRelays(reader: SettingsReader): RelayKeys {
  return parseRelayKeys(reader.read("CELLWAY_RELAYS") ?? "", "environment variable CELLWAY_RELAYS");
}

function readPublicUrl(reader: SettingsReader): string | undefined {
  const url = reader.read("CELLWAY_INGEST_PUBLIC_URL");
  if (url === undefined || isOrigin(url)) return url;
  const rule = "must be an http:// or https:// origin without a path, such as https://us1.ingest.example.com";
  throw badSetting("CELLWAY_INGEST_PUBLIC_URL", url, rule);
}
