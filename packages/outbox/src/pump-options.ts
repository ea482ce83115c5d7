import type { SiloContext } from "@cellway/silo";
import type { Logger } from "@cellway/telemetry";
import type { Categories } from "./category.js";
import type { OutboxLimits } from "./limits.js";
import type { Courier, MessageGroup, StreamId } from "./message.js";
import type { OutboxSource } from "./source.js";
import type { OutboxStore } from "./store.js";

/** What a pump works with, and whom it tells what. */
export interface PumpOptions {
  readonly store: OutboxStore;
  readonly sources: Categories<OutboxSource>;
  readonly courier: Courier;
  readonly limits: OutboxLimits;
  /** As which side states are read and messages are sent. */
  readonly context: SiloContext;
  /** Whether one destination can be away while another is there. */
  readonly severalDestinations: boolean;
  readonly logger: Logger;
  /** One line of an error: a code and a reason, never what a user wrote. */
  readonly describeError: (error: unknown) => string;
  /** Whether an error is one of the connection to the database, and of no message. */
  readonly isSessionError: (error: unknown) => boolean;
  readonly isNotified: () => boolean;
  /** Rows whose deletion is committed. */
  readonly onDelivered: (ids: readonly string[]) => void;
  /** A message that was delivered. */
  readonly onGroup: (stream: StreamId, group: MessageGroup) => void;
  readonly onFailed: (stream: StreamId, group: MessageGroup, error: string) => void;
  readonly onParked: (group: MessageGroup, stream: StreamId, error: string) => void;
  /** Messages that wait because their silo cannot be asked now. */
  readonly onPutOff: (groups: readonly MessageGroup[], why: string) => void;
  readonly onDestination: (name: string, change: "back" | "gone") => void;
}
