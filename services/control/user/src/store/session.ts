import { rowsOf } from "@cellway/database";
import type { EntityManager } from "typeorm";
import { SessionRow } from "../entities/session.js";
import { IDLE_STEP_SHARE, SESSIONS_MAX, type SessionTimeouts, USE_INTERVAL_MS } from "../session-limits.js";
import type { Store } from "./store.js";

/** Sessions that one statement deletes. */
const DELETED_MAX = 1_000;

/** What a new session is made of. */
export interface NewSessionRow {
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly timeouts: SessionTimeouts;
  /** Null: not known. */
  readonly ipAddress: string | null;
  readonly userAgent: string;
  readonly now: Date;
}

/** Adds a session to a user, whose row is locked; of those that are too many the longest unused go. */
export async function insertSession(manager: EntityManager, session: NewSessionRow): Promise<SessionRow> {
  const { timeouts, now, userId, tokenHash, ipAddress, userAgent } = session;
  await manager.query(
    `delete from control.session where id in (
       select id from control.session where user_id = $1 order by last_used_at desc, id desc offset $2
     )`,
    [userId, SESSIONS_MAX - 1],
  );
  const expiresAt = new Date(now.getTime() + timeouts.absoluteSeconds * 1000);
  const idleExpiresAt = new Date(now.getTime() + timeouts.idleSeconds * 1000);
  const sessions = manager.getRepository(SessionRow);
  return sessions.save(
    sessions.create({
      userId,
      tokenHash,
      expiresAt,
      idleExpiresAt,
      idleTimeoutSeconds: timeouts.idleSeconds,
      lastUsedAt: now,
      createdAt: now,
      ipAddress,
      userAgent,
    }),
  );
}

/** The session with the hash, unless it has ended at `now` or its user is inactive. */
export async function findAcceptedSession(store: Store, tokenHash: Buffer, now: Date): Promise<SessionRow | undefined> {
  const rows = await store.query(
    `select s.id, s.user_id as "userId", s.expires_at as "expiresAt", s.idle_expires_at as "idleExpiresAt",
         s.idle_timeout_seconds as "idleTimeoutSeconds", s.last_used_at as "lastUsedAt", s.created_at as "createdAt",
         host(s.ip_address) as "ipAddress", s.user_agent as "userAgent"
       from control.session s join control.user u on u.id = s.user_id
      where s.token_hash = $1 and u.is_active and least(s.expires_at, s.idle_expires_at) > $2`,
    [tokenHash, now],
  );
  return rowsOf<SessionRow>(rows)[0];
}

/** Notes a use, unless one was noted shortly before, and moves the end of a session that has come nearer by a step. */
export async function noteSessionUse(store: Store, session: SessionRow, now: Date): Promise<void> {
  const notBefore = new Date(now.getTime() - USE_INTERVAL_MS);
  const stepSeconds = session.idleTimeoutSeconds * IDLE_STEP_SHARE;
  if (session.lastUsedAt > notBefore && !isStepDue(session, now)) return;
  await store.query(
    `update control.session set last_used_at = greatest(last_used_at, $2), idle_expires_at = case
         when idle_expires_at + make_interval(secs => $3) <= $2::timestamptz + make_interval(secs => idle_timeout_seconds)
         then $2::timestamptz + make_interval(secs => idle_timeout_seconds) else idle_expires_at end
      where id = $1`,
    [session.id, now, stepSeconds],
  );
}

function isStepDue({ idleExpiresAt, idleTimeoutSeconds }: SessionRow, now: Date): boolean {
  const leftSeconds = (idleExpiresAt.getTime() - now.getTime()) / 1000;
  return leftSeconds <= idleTimeoutSeconds * (1 - IDLE_STEP_SHARE);
}

/** The sessions of a user that have not ended at `now`, the newest first. */
export async function listSessionRows(store: Store, userId: string, now: Date): Promise<SessionRow[]> {
  const sessions = store.getRepository(SessionRow).createQueryBuilder("s");
  return sessions
    .where("s.user_id = :userId and least(s.expires_at, s.idle_expires_at) > :now", { userId, now })
    .orderBy("s.id", "DESC")
    .take(SESSIONS_MAX)
    .getMany();
}

/** Ends all sessions of a user but one, if any. */
export async function deleteOtherSessions(store: Store, userId: string, keptId: string | undefined): Promise<void> {
  await store.query("delete from control.session where user_id = $1 and id is distinct from $2", [
    userId,
    keptId ?? null,
  ]);
}

/** Deletes sessions whose time is over at `now`. @returns how many; fewer than asked for when none are left. */
export async function deleteEndedSessions(store: Store, now: Date): Promise<{ isDone: boolean }> {
  // As a SELECT, because TypeORM answers the rows of a DELETE in another shape.
  const rows = await store.query(
    `with ended as (
       select id from control.session where least(expires_at, idle_expires_at) <= $1 order by id limit $2 for update skip locked
     ), deleted as (
       delete from control.session s using ended e where s.id = e.id and least(s.expires_at, s.idle_expires_at) <= $1 returning s.id
     ) select count(*)::int as count from deleted`,
    [now, DELETED_MAX],
  );
  return { isDone: (rowsOf<{ count: number }>(rows)[0]?.count ?? 0) < DELETED_MAX };
}
