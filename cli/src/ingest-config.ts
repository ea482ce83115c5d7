import { DEFAULT_INGEST_LIMITS, type IngestOptions } from "@cellway/ingest";
import { parseRelayKeys, type RelayKeys } from "@cellway/ingest-protocol";
import { createSettingsReader, isOrigin, type SettingsReader } from "@cellway/silo";
import type { Environment } from "./context.js";
import { badSetting, readWhole, type Warn } from "./serve-config.js";

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
