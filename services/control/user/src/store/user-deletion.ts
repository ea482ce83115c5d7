import { rowsOf, type SiloDatabase } from "@cellway/database";
import { UserRow } from "../entities/user.js";
import { UserDeletionRow } from "../entities/user-deletion.js";
import { lockUser, rotateSessionNonce } from "./user.js";

/** One attempt to delete a user. */
export interface DeletionAttempt {
  readonly userId: string;
  /** Also where the user is the last owner. */
  readonly isForced: boolean;
  /** Grows with every attempt. */
  readonly attempt: string;
}

/**
 * Starts an attempt to delete a user, or one more: it is inactive and logged out from now on. Force stays once given.
 *
 * @returns undefined when there is no such user.
 */
export async function startDeletion(
  database: SiloDatabase,
  request: { userId: string; isForced: boolean; now: Date },
): Promise<DeletionAttempt | undefined> {
  const { userId, isForced, now } = request;
  return database.transaction(async (manager) => {
    const user = await lockUser(manager, userId);
    if (user === undefined) return undefined;
    const started = await manager.query(
      `insert into control.user_deletion (user_id, is_forced, was_active, requested_at, attempted_at) values ($1, $2, $3, $4, $4)
       on conflict (user_id) do update set is_forced = user_deletion.is_forced or excluded.is_forced,
         attempt = user_deletion.attempt + 1, attempted_at = excluded.attempted_at
       returning user_id as "userId", is_forced as "isForced", attempt`,
      [userId, isForced, user.isActive, now],
    );
    if (user.isActive) {
      await manager.getRepository(UserRow).update({ id: userId }, { isActive: false, updatedAt: now });
      await rotateSessionNonce(manager, userId);
    }
    return rowsOf<DeletionAttempt>(started)[0];
  });
}

/**
 * Takes up to `limit` deletions that nobody has worked on since `before`, longest waiting first, and starts an attempt
 * of each. No two processes get the same one.
 */
export async function takeDeletions(
  database: SiloDatabase,
  request: { limit: number; before: Date; now: Date },
): Promise<DeletionAttempt[]> {
  const taken = await database.query(
    `with taken as (
       update control.user_deletion set attempt = attempt + 1, attempted_at = $3
        where user_id in (select user_id from control.user_deletion where attempted_at < $2
                           order by attempted_at, user_id limit $1 for update skip locked)
       returning user_id, is_forced, attempt
     ) select user_id as "userId", is_forced as "isForced", attempt from taken order by user_id`,
    [request.limit, request.before, request.now],
  );
  return rowsOf<DeletionAttempt>(taken);
}

/**
 * Gives a deletion up: the user is as active as before. Only the newest attempt can, and not once force was given.
 *
 * @returns whether it was given up.
 */
export async function cancelDeletion(database: SiloDatabase, deletion: DeletionAttempt, now: Date): Promise<boolean> {
  const { userId, attempt } = deletion;
  return database.transaction(async (manager) => {
    if ((await lockUser(manager, userId)) === undefined) return false;
    const deletions = manager.getRepository(UserDeletionRow);
    const row = await deletions.findOneBy({ userId, attempt, isForced: false });
    if (row === null) return false;
    await deletions.delete({ userId });
    await manager.getRepository(UserRow).update({ id: userId }, { isActive: row.wasActive, updatedAt: now });
    return true;
  });
}

/** Deletes a user whose deletion was not given up, with all that belongs to it. */
export async function completeDeletion(
  database: SiloDatabase,
  userId: string,
): Promise<"deleted" | "cancelled" | "absent"> {
  return database.transaction(async (manager) => {
    if ((await lockUser(manager, userId)) === undefined) return "absent";
    if (!(await manager.getRepository(UserDeletionRow).existsBy({ userId }))) return "cancelled";
    await manager.getRepository(UserRow).delete({ id: userId });
    return "deleted";
  });
}
