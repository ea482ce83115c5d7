import { rowsOf } from "@cellway/database";
import type { PageRequest } from "@cellway/rpc";
import { type EntityManager, MoreThan } from "typeorm";
import { UserEmailRow } from "../entities/user-email.js";
import type { Store } from "./store.js";

/** The form in which addresses are stored and compared. */
export function toStoredEmail(email: string): string {
  return email.toLowerCase();
}

/** The ids of the users that have the address, ascending: one more than the page holds, if there are more. */
export async function listUserIdsByEmail(
  store: Store,
  query: { email: string; verifiedOnly: boolean; page: PageRequest },
): Promise<string[]> {
  const rows = await store.getRepository(UserEmailRow).find({
    select: { userId: true, email: true },
    where: {
      email: query.email,
      userId: MoreThan(query.page.afterId),
      ...(query.verifiedOnly ? { isVerified: true } : {}),
    },
    order: { userId: "ASC" },
    take: query.page.limit + 1,
  });
  return rows.map((row) => row.userId);
}

/** The user that an address stands for: an active one first, then one that verified it, then the oldest. */
export async function findUserIdByEmail(store: Store, email: string): Promise<string | undefined> {
  const rows = await store.query(
    `select u.id from control.user_email e join control.user u on u.id = e.user_id
      where e.email = $1 and not exists (select from control.user_deletion d where d.user_id = u.id)
      order by u.is_active desc, e.is_verified desc, u.id limit 1`,
    [email],
  );
  return rowsOf<{ id: string }>(rows)[0]?.id;
}

/** Makes an address of the user, whose row is locked, its primary one. */
export async function setPrimaryEmail(manager: EntityManager, userId: string, email: string): Promise<void> {
  const emails = manager.getRepository(UserEmailRow);
  await emails.update({ userId, isPrimary: true }, { isPrimary: false });
  await emails.update({ userId, email }, { isPrimary: true });
}
