import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { MIGRATION_LOCK } from "./advisory-locks.js";
import { MigrationError } from "./migrations.js";

const POLL_INTERVAL_MS = 50;

/**
 * Waits until no other process migrates this database, then holds that right until the client ends.
 *
 * The lock is one of a transaction that stays open on a connection of its own, so it also holds through a
 * transaction pooler, and migrations may run outside of transactions meanwhile. It is polled for, not waited for:
 * a waiting statement holds a snapshot, and CREATE INDEX CONCURRENTLY in the process that has the lock would wait
 * for that snapshot for ever.
 *
 * @throws MigrationError when another process still migrates after `timeoutMs`.
 */
export async function takeMigrationLock(client: pg.Client, timeoutMs: number): Promise<void> {
  await client.query("begin; set local idle_in_transaction_session_timeout = 0");
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_xact_lock(${MIGRATION_LOCK}) as locked`,
    );
    if (rows[0]?.locked === true) return;
    if (Date.now() >= deadline) {
      throw new MigrationError(
        `Another process has been migrating this database for ${timeoutMs} ms. Look for it, or wait longer.`,
      );
    }
    await delay(POLL_INTERVAL_MS);
  }
}
