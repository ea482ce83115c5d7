import type pg from "pg";
import { QueryFailedError, type QueryRunner } from "typeorm";
import { endsSession } from "./errors.js";
import type { ServerTimeouts } from "./probe.js";

/** What is added to a query runner. */
export interface QueryRunnerGuard {
  /** Throws when the running code may not use the database now. Asked before each statement. */
  readonly assertUsable: () => void;
  /** Told after each commit, and after each statement by itself that writes. */
  readonly onWrite: () => void;
  /** Runs inside each transaction, right before it is committed; an error rolls it back. */
  readonly beforeCommit: (query: (sql: string, parameters?: unknown[]) => Promise<unknown>) => Promise<void>;
  /** Limits that each transaction sets for itself, for a server whose connections have none. */
  readonly transactionTimeouts?: ServerTimeouts;
}

/** Adds the guard to this one query runner and returns it. */
export function guardQueryRunner(runner: QueryRunner, guard: QueryRunnerGuard): QueryRunner {
  const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
  const stream = runner.stream.bind(runner);
  const guardedQuery = async (sql: string, ...rest: unknown[]): Promise<unknown> => {
    // A transaction must be able to end, or its connection would go back to the pool inside it.
    if (!sql.startsWith("ROLLBACK")) guard.assertUsable();
    try {
      if (sql === "COMMIT") await guard.beforeCommit((text, parameters) => query(text, parameters));
      const result = await query(withTimeouts(sql, guard.transactionTimeouts), ...rest);
      if (sql === "COMMIT" || (!runner.isTransactionActive && WRITES.test(sql))) guard.onWrite();
      return result;
    } catch (error) {
      hideValues(error);
      if (endsSession(error)) await closeConnection(runner);
      throw error;
    }
  };
  const guardedStream: typeof runner.stream = async (...args) => {
    guard.assertUsable();
    return await stream(...args);
  };
  return Object.assign(runner, { query: guardedQuery, stream: guardedStream });
}

/**
 * Makes the pool drop the connection when it is given back. The server says that it ends a session before it closes
 * the socket; in between `pg` takes the connection for a good one, and whoever got it next would fail with it.
 */
async function closeConnection(runner: QueryRunner): Promise<void> {
  const connection = (await runner.connect()) as pg.PoolClient & pg.Client;
  void connection.end().catch(() => {});
}

const WRITES = /^\s*(insert|update|delete)\b/i;

/** `START TRANSACTION` and its limits go in one message, so they cost no round trip. */
function withTimeouts(sql: string, timeouts: ServerTimeouts | undefined): string {
  if (timeouts === undefined || sql !== "START TRANSACTION") return sql;
  return (
    `START TRANSACTION; SET LOCAL statement_timeout = ${timeouts.statementTimeoutMs}; ` +
    `SET LOCAL idle_in_transaction_session_timeout = ${timeouts.idleInTransactionTimeoutMs}`
  );
}

/** Keeps what may hold a user's data out of logs that print an error's enumerable fields; code still reads them. */
function hideValues(error: unknown): void {
  if (!(error instanceof QueryFailedError)) return;
  for (const key of ["parameters", "driverError", "detail", "where"]) {
    if (!Object.hasOwn(error, key)) continue;
    const value = (error as unknown as Record<string, unknown>)[key];
    Object.defineProperty(error, key, { value, enumerable: false, configurable: true, writable: true });
  }
}
