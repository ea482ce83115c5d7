import { type Queryable, rowsOf } from "@cellway/database";
import type { ReplicaTable } from "./upsert-replica.js";

/** Sessions of users that are members in a cell. */
export const SESSION_REPLICA: ReplicaTable = {
  name: "session_replica",
  objectColumn: "session_id",
  contentColumns: ["user_id", "token_hash", "expires_at", "idle_expires_at", "idle_timeout_seconds"],
};

/**
 * The share of the idle timeout that passes before a use moves the end of a session. Control goes by the same share
 * (services/control/user/src/session-limits.ts).
 */
const IDLE_STEP_SHARE = 0.1;

/** What is read of a session that is accepted. */
export interface AcceptedSession {
  readonly sessionId: string;
  readonly userId: string;
  /** By the uses that control knows of, the end has come nearer by a step. */
  readonly isUseDue: boolean;
  /** By the uses that the cell knows of too. */
  readonly isExtensionDue: boolean;
}

/** The session with the hash, if the cell knows it and its user, unless it has ended at `now` or the user is inactive. */
export async function findAcceptedSession(
  db: Queryable,
  cellName: string,
  tokenHash: Uint8Array,
  now: Date,
): Promise<AcceptedSession | undefined> {
  const sql = `select s.session_id as "sessionId", s.user_id as "userId",
      s.idle_expires_at <= due.at as "isUseDue", greatest(s.idle_expires_at, s.extended_until) <= due.at as "isExtensionDue"
    from cell.session_replica s join cell.user_replica u on u.cell_name = s.cell_name and u.user_id = s.user_id,
      lateral (select $3::timestamptz + make_interval(secs => s.idle_timeout_seconds * $4::float8) as at) due
    where s.token_hash = $2 and s.cell_name = $1 and u.is_active
      and s.expires_at > $3 and greatest(s.idle_expires_at, s.extended_until) > $3`;
  return rowsOf<AcceptedSession>(await db.query(sql, [cellName, tokenHash, now, 1 - IDLE_STEP_SHARE]))[0];
}

/** Keeps a session that is used here from ending unused, also while nobody can tell control. */
export async function extendSession(db: Queryable, cellName: string, sessionId: string, now: Date): Promise<void> {
  await db.query(
    `update cell.session_replica
        set extended_until = greatest(extended_until, $3::timestamptz + make_interval(secs => idle_timeout_seconds))
      where cell_name = $1 and session_id = $2 and not is_removed`,
    [cellName, sessionId, now],
  );
}
