import type { EntityManager } from "typeorm";

/** What reads and writes: the database itself, or the manager of a transaction. */
export type Store = Pick<EntityManager, "getRepository" | "query">;
