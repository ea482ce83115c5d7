import { rowsOf } from "@cellway/database";
import type { PageRequest } from "@cellway/rpc";
import { MoreThan } from "typeorm";
import { ApiTokenRow } from "../entities/api-token.js";
import type { Store } from "./store.js";

/** What is read of a token that is accepted. */
export interface AcceptedToken {
  readonly id: string;
  readonly userId: string;
  readonly scopes: string[];
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** The token with the hash, unless it has expired at `now` or its user is inactive. One statement: every request asks. */
export async function findAcceptedToken(
  store: Store,
  tokenHash: Buffer,
  now: Date,
): Promise<AcceptedToken | undefined> {
  const rows = await store.query(
    `select t.id, t.user_id as "userId", t.scopes, t.expires_at as "expiresAt", t.last_used_at as "lastUsedAt"
       from control.api_token t join control.user u on u.id = t.user_id
      where t.token_hash = $1 and u.is_active and (t.expires_at is null or t.expires_at > $2)`,
    [tokenHash, now],
  );
  return rowsOf<AcceptedToken>(rows)[0];
}

/** Notes a use, unless one at or after `notBefore` is noted already. */
export async function touchToken(store: Store, tokenId: string, usedAt: Date, notBefore: Date): Promise<void> {
  await store.query(
    "update control.api_token set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $3)",
    [tokenId, usedAt, notBefore],
  );
}

/** The tokens of a user by ascending id: one more than the page holds, if there are more. */
export async function listTokens(store: Store, userId: string, page: PageRequest): Promise<ApiTokenRow[]> {
  return store.getRepository(ApiTokenRow).find({
    where: { userId, id: MoreThan(page.afterId) },
    order: { id: "ASC" },
    take: page.limit + 1,
  });
}
