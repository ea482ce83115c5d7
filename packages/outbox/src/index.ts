export { type Category, categoryOf, indexCategories, OutboxCategoryError } from "./category.js";
export { OutboxFlushError } from "./flush.js";
export {
  createInbox,
  type Delivered,
  type Inbox,
  type InboxOptions,
  type MessageResult,
  type OutboxReceiver,
  type Ownership,
  receiveMessages,
} from "./inbox.js";
export { DEFAULT_OUTBOX_LIMITS, type OutboxLimits } from "./limits.js";
export { type Courier, DestinationAwayError, type OutgoingMessage, type Verdict } from "./message.js";
export type { OutboxOperator } from "./operator.js";
export { createOutbox, type Outbox, type OutboxOptions } from "./outbox.js";
export { createRpcCourier } from "./rpc-courier.js";
export { findUntracked, outboxMigrations } from "./schema.js";
export { type OutboxSource, type ReplicatedTable, replicateTable, type StateOf, sendContent } from "./source.js";
export { writeMessage } from "./write-message.js";
