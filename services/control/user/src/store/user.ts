import { randomBytes } from "node:crypto";
import { rowsOf } from "@cellway/database";
import { type EntityManager, In, Raw } from "typeorm";
import { UserRow } from "../entities/user.js";
import { UserDeletionRow } from "../entities/user-deletion.js";
import { UserEmailRow } from "../entities/user-email.js";
import { createUserNotFoundError, createUserPendingDeletionError } from "../errors.js";
import type { Store } from "./store.js";

/** A user with its addresses, the primary one first, then by address. */
export interface UserWithEmails {
  readonly user: UserRow;
  readonly emails: readonly UserEmailRow[];
}

/** What a new user is made of. */
export interface NewUser {
  readonly username: string;
  /** In lower case. */
  readonly email: string;
  /** Empty: the username. */
  readonly displayName: string;
  readonly createdAt: Date;
}

/** The users among `userIds` that exist, by ascending id. The list is the caller's to bound. */
export async function findUsers(store: Store, userIds: readonly string[]): Promise<UserWithEmails[]> {
  if (userIds.length === 0) return [];
  const users = await store.getRepository(UserRow).find({ where: { id: In(userIds) }, order: { id: "ASC" } });
  const emails = await store.getRepository(UserEmailRow).find({
    where: { userId: In(userIds) },
    order: { isPrimary: "DESC", email: "ASC" },
  });
  const byUser = new Map<string, UserEmailRow[]>(users.map((user) => [user.id, []]));
  for (const email of emails) byUser.get(email.userId)?.push(email);
  return users.map((user) => ({ user, emails: byUser.get(user.id) ?? [] }));
}

/** One user, or undefined. */
export async function findUser(store: Store, userId: string): Promise<UserWithEmails | undefined> {
  return (await findUsers(store, [userId]))[0];
}

/** @throws NOT_FOUND / USER_NOT_FOUND */
export async function findUserOrThrow(store: Store, userId: string): Promise<UserWithEmails> {
  const found = await findUser(store, userId);
  if (found === undefined) throw createUserNotFoundError(userId);
  return found;
}

/** The user with the username, in any case, or undefined. */
export async function findUserByUsername(store: Store, username: string): Promise<UserWithEmails | undefined> {
  const sameName = Raw((column) => `lower(${column}) = lower(:username)`, { username });
  const row = await store.getRepository(UserRow).findOne({ where: { username: sameName }, select: { id: true } });
  return row === null ? undefined : findUser(store, row.id);
}

/** Creates an active user with one unverified address. Undefined, and nothing written, when the username is taken. */
export async function insertUser(manager: EntityManager, user: NewUser): Promise<string | undefined> {
  const inserted = await manager.query(
    `insert into control.user (username, display_name, session_nonce, created_at, updated_at)
     values ($1, $2, $3, $4, $4) on conflict (lower(username)) do nothing returning id`,
    [user.username, user.displayName, createSessionNonce(), user.createdAt],
  );
  const userId = rowsOf<{ id: string }>(inserted)[0]?.id;
  if (userId === undefined) return undefined;
  await manager
    .getRepository(UserEmailRow)
    .insert({ userId, email: user.email, isVerified: false, isPrimary: true, createdAt: user.createdAt });
  return userId;
}

/** Locks a user until the transaction ends: changes of a user and of what belongs to it take turns. */
export async function lockUser(manager: EntityManager, userId: string): Promise<UserRow | undefined> {
  const row = await manager
    .getRepository(UserRow)
    .findOne({ where: { id: userId }, lock: { mode: "pessimistic_write" } });
  return row ?? undefined;
}

/**
 * Locks a user that is going to be changed.
 *
 * @throws NOT_FOUND / USER_NOT_FOUND, FAILED_PRECONDITION / USER_PENDING_DELETION
 */
export async function lockUserOrThrow(manager: EntityManager, userId: string): Promise<UserRow> {
  const user = await lockUser(manager, userId);
  if (user === undefined) throw createUserNotFoundError(userId);
  if (await manager.getRepository(UserDeletionRow).existsBy({ userId })) throw createUserPendingDeletionError(userId);
  return user;
}

/**
 * Makes every session of the user void.
 *
 * @returns the new version, or undefined when there is no such user.
 */
export async function rotateSessionNonce(store: Store, userId: string): Promise<string | undefined> {
  // As a SELECT, because TypeORM answers the rows of an UPDATE in another shape.
  const result = await store.query(
    `with rotated as (
       update control.user set session_nonce = $2, session_version = session_version + 1 where id = $1 returning session_version
     ) select session_version from rotated`,
    [userId, createSessionNonce()],
  );
  return rowsOf<{ session_version: string }>(result)[0]?.session_version;
}

function createSessionNonce(): string {
  return randomBytes(16).toString("base64url");
}
