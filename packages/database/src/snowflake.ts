import { CELL_NUMBER_MAX, type LocalMode } from "@cellway/silo";
import { schemaOf } from "./entities.js";
import { type Queryable, rowsOf } from "./queryable.js";

const EPOCH_MS = Date.UTC(2025, 0, 1);
const CELL_BITS = 10n;
const COUNTER_BITS = 12n;

/**
 * Takes a new id, unique over all silos as long as each has its own cell number, and greater than every id that
 * this database gave before. 53 bits: it fits a JavaScript number. A transaction that is rolled back wastes it.
 *
 * @param cellNumber - 0 (control) to 1023.
 * @throws RangeError when the cell number is not one of those.
 */
export async function nextSnowflake(queryable: Queryable, localMode: LocalMode, cellNumber: number): Promise<string> {
  if (!Number.isInteger(cellNumber) || cellNumber < 0 || cellNumber > CELL_NUMBER_MAX) {
    throw new RangeError(`The cell number ${cellNumber} is not one of 0 to ${CELL_NUMBER_MAX}.`);
  }
  const result = await queryable.query(`select ${schemaOf(localMode)}.next_snowflake($1)::text as id`, [cellNumber]);
  const id = rowsOf<{ id: string }>(result)[0]?.id;
  if (id === undefined) throw new Error("next_snowflake returned no row.");
  return id;
}

/** The number of the cell whose database gave the id. An organization that was moved keeps its id. */
export function cellNumberOfSnowflake(id: string | bigint): number {
  return Number(BigInt(id) & BigInt(CELL_NUMBER_MAX));
}

/** About when the id was given: up to 2 seconds early, or late by as much as the sequence ran ahead of the clock. */
export function createdAtOfSnowflake(id: string | bigint): Date {
  return new Date(EPOCH_MS + Number(BigInt(id) >> (CELL_BITS + COUNTER_BITS)) * 1000);
}
