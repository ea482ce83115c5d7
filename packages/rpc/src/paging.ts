import { Code, type ConnectError } from "@connectrpc/connect";
import { createRpcError } from "./errors.js";

/** Rows on a page when the caller does not say. */
export const PAGE_SIZE_DEFAULT = 50;
/** The most rows on a page. */
export const PAGE_SIZE_MAX = 200;

/** The greatest 64-bit id. */
const ID_MAX = 2n ** 63n - 1n;

/** Which rows a request asks for. */
export interface PageRequest {
  /** Rows on the page. Fetch one more, to know whether there is a next page. */
  readonly limit: number;
  /** Only rows with a greater id; `0` on the first page. */
  readonly afterId: string;
}

/**
 * Reads `page_size` and `page_token` of a list that is ordered by ascending 64-bit id.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD for a token that {@link cutPage} did not make.
 */
export function readPage(request: { readonly pageSize: number; readonly pageToken: string }): PageRequest {
  const limit = request.pageSize === 0 ? PAGE_SIZE_DEFAULT : Math.min(request.pageSize, PAGE_SIZE_MAX);
  if (request.pageToken === "") return { limit, afterId: "0" };
  const afterId = Buffer.from(request.pageToken, "base64url").toString("utf8");
  if (!/^\d{1,19}$/.test(afterId) || BigInt(afterId) > ID_MAX) {
    throw createPageTokenError();
  }
  return { limit, afterId };
}

/** INVALID_ARGUMENT / INVALID_FIELD for a token that a list did not give out. */
export function createPageTokenError(): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", "page_token: is not one that this list gave out", {
    metadata: { field: "page_token" },
  });
}

/** A page token made of a key that has several parts, for lists that are not ordered by an id. */
export function formatKeyToken(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key.map(String))).toString("base64url");
}

/** The parts of a key that {@link formatKeyToken} wrote; undefined for anything else. Which parts are good is the list's matter. */
export function parseKeyToken(token: string): readonly string[] | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  const isKey = Array.isArray(parts) && parts.every((part) => typeof part === "string");
  return isKey ? (parts as string[]) : undefined;
}

/** Cuts `limit + 1` fetched rows down to the page, with the token of the next one; empty on the last page. */
export function cutPage<T>(
  rows: readonly T[],
  limit: number,
  idOf: (row: T) => string,
): { items: T[]; nextPageToken: string } {
  const items = rows.slice(0, limit);
  const last = items[items.length - 1];
  const hasMore = rows.length > limit && last !== undefined;
  return { items, nextPageToken: hasMore ? Buffer.from(idOf(last)).toString("base64url") : "" };
}
