import type { EntityManager } from "typeorm";

/**
 * Waits until no other transaction holds the same topic and key, and holds them until this one ends. Statements that
 * follow see what the others committed. Two topics that share a hash only wait for each other.
 */
export async function lockKey(
  manager: EntityManager,
  topic: "user.email" | "user.create-request",
  key: string,
): Promise<void> {
  await manager.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [`${topic}:${key}`]);
}
