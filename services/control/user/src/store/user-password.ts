import { rowsOf } from "@cellway/database";
import type { Store } from "./store.js";
import { toStoredEmail } from "./user-email.js";

/** A user who can log in with a password. */
export interface Login {
  readonly userId: string;
  /** A PHC string. */
  readonly hash: string;
  /** When the password, not only its hash, became another one. */
  readonly changedAt: Date;
}

/**
 * The active user with a password whom a login names: by username, or by an address that it has verified, or that it has
 * without having verified it while nobody else has. Undefined where that is nobody, or several.
 */
export async function findLogin(store: Store, login: string): Promise<Login | undefined> {
  // No username has an @.
  if (!login.includes("@")) {
    const named = await store.query(
      `select u.id as "userId", p.hash, p.changed_at as "changedAt" from control.user u join control.user_password p on p.user_id = u.id
        where lower(u.username) = lower($1) and u.is_active`,
      [login],
    );
    return rowsOf<Login>(named)[0];
  }
  const sharing = await store.query(
    `select u.id as "userId", p.hash, p.changed_at as "changedAt", e.is_verified as "isVerified"
       from control.user_email e join control.user u on u.id = e.user_id join control.user_password p on p.user_id = u.id
      where e.email = $1 and u.is_active order by e.is_verified desc limit 2`,
    [toStoredEmail(login)],
  );
  const [first, second] = rowsOf<Login & { isVerified: boolean }>(sharing);
  return first === undefined || second?.isVerified === first.isVerified ? undefined : first;
}

/** What is stored of a user's password; undefined where it has none. */
export async function findPassword(store: Store, userId: string): Promise<Login | undefined> {
  const sql = `select user_id as "userId", hash, changed_at as "changedAt" from control.user_password where user_id = $1`;
  return rowsOf<Login>(await store.query(sql, [userId]))[0];
}

/** Gives a user its first password. */
export async function insertPasswordHash(store: Store, userId: string, hash: string, now: Date): Promise<void> {
  await store.query("insert into control.user_password (user_id, hash, changed_at) values ($1, $2, $3)", [
    userId,
    hash,
    now,
  ]);
}

/** Replaces a hash by one of another password, or of the same with other parameters, unless it was replaced meanwhile. */
export async function replacePasswordHash(
  store: Store,
  userId: string,
  hashes: { readonly before: string; readonly after: string; readonly changedAt: Date | undefined },
): Promise<boolean> {
  const rows = await store.query(
    `with replaced as (
       update control.user_password set hash = $3, changed_at = coalesce($4, changed_at) where user_id = $1 and hash = $2 returning user_id
     ) select user_id from replaced`,
    [userId, hashes.before, hashes.after, hashes.changedAt ?? null],
  );
  return rowsOf(rows).length === 1;
}
