export { AnswerStore, type AnswerStoreOptions, type Beginning, type Claim, type KeyedRequest } from "./answer-store.js";
export { dropExpiredAnswers } from "./drop-expired.js";
export { DROP_INTERVAL_MS } from "./limits.js";
export { idempotencyMigrations } from "./schema.js";
