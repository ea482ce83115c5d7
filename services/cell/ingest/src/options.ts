import type { RelayKeys } from "@cellway/ingest-protocol";

/** What an ingest endpoint is told. */
export interface IngestOptions {
  /** Relays that may ask for project configurations. Default: nobody may. */
  readonly relays?: RelayKeys;
  /**
   * The origin at which this cell takes events from outside: told to Relays with each configuration, so that they send there and
   * not through a router. Default: nothing is told.
   */
  readonly publicUrl?: string;
  readonly limits?: Partial<IngestLimits>;
}

/** Every number that bounds what is taken in. */
export interface IngestLimits {
  /** Bytes of an envelope as it is sent. Default 20 MiB. */
  readonly envelopeMaxBytes: number;
  /** Bytes of an event sent to `store`, as sent and unpacked. Default 1 MiB. */
  readonly storeMaxBytes: number;
  /** Bytes of bodies that are being read or written at a time, over all requests. Default 128 MiB. */
  readonly inFlightMaxBytes: number;
  /** Requests with one key in a minute, counted in each process by itself. Default 6,000. */
  readonly keyRequestsPerMinute: number;
  /** How long an envelope is kept, in milliseconds. Default 3 days. */
  readonly retentionMs: number;
  /** Bytes of bodies that are kept; when there are more, nothing is taken in. Default 10 GiB. */
  readonly storedMaxBytes: number;
  /** How old the sum of what is kept may be, in milliseconds. Default 10,000. */
  readonly measureIntervalMs: number;
  /** How long a key that is known, or is not, is not looked up again, in milliseconds. Default 5,000 and 1,000. */
  readonly knownKeyTtlMs: number;
  readonly unknownKeyTtlMs: number;
}

/** The limits that hold when nothing else is said. */
export const DEFAULT_INGEST_LIMITS: IngestLimits = {
  envelopeMaxBytes: 20 * 1_024 * 1_024,
  storeMaxBytes: 1_024 * 1_024,
  inFlightMaxBytes: 128 * 1_024 * 1_024,
  keyRequestsPerMinute: 6_000,
  retentionMs: 3 * 24 * 3_600_000,
  storedMaxBytes: 10 * 1_024 * 1_024 * 1_024,
  measureIntervalMs: 10_000,
  knownKeyTtlMs: 5_000,
  unknownKeyTtlMs: 1_000,
};
