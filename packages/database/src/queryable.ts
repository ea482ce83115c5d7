/** Anything that runs SQL: a SiloDatabase, its entity manager or query runner, a `pg` client or pool. */
export interface Queryable {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/** The rows of a SELECT, whether they come bare (TypeORM) or in a result object (`pg`). */
export function rowsOf<Row>(result: unknown): Row[] {
  if (Array.isArray(result)) return result as Row[];
  return (result as { rows: Row[] }).rows;
}
