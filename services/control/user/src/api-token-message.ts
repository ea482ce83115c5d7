import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type ApiToken, ApiTokenSchema } from "@cellway/gen/cellway/user/v1/user";
import type { ApiTokenRow } from "./entities/api-token.js";

/** An API token as callers see it: without what could be used. */
export function toApiToken(row: ApiTokenRow): ApiToken {
  const { id, userId, name, scopes, lastCharacters, createdAt } = row;
  return create(ApiTokenSchema, {
    id,
    userId,
    name,
    scopes,
    lastCharacters,
    createdAt: timestampFromDate(createdAt),
    ...optionalTimestamp("expiresAt", row.expiresAt),
    ...optionalTimestamp("lastUsedAt", row.lastUsedAt),
  });
}

/** `{[field]: timestamp}`, or nothing for null. */
export function optionalTimestamp<F extends string>(field: F, date: Date | null): { [K in F]?: Timestamp } {
  return date === null ? {} : ({ [field]: timestampFromDate(date) } as { [K in F]?: Timestamp });
}
