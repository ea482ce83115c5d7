import { createHash } from "node:crypto";
import pg from "pg";
import type { Column, Table } from "./schema-catalog.js";

/** A row that was inserted: its values as the database gave them back, as text. */
export interface Row {
  readonly table: Table;
  readonly values: Readonly<Record<string, string | null>>;
}

/** How a column is given a value: left to its default, null, or the value of this number among those of its type. */
type Choice = "default" | "null" | number;
type Shape = ReadonlyMap<string, Choice>;

/** Tries to find values that a table's checks allow. */
const TRIES = 400;
/** Different ways to fill a table that are looked for. */
const SHAPES = 6;

/**
 * Inserts rows that a table takes, as code that knows nothing of the domain can: with parents made for the purpose, and
 * values that were found by trying. What was found once succeeds again as long as the schema means the same.
 */
export class RowMaker {
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #shapes = new Map<string, Shape[]>();
  readonly #taken = new Set<string>();
  readonly #random: () => number;
  #count = 0;

  constructor(tables: readonly Table[], seed: number) {
    this.#tables = new Map(tables.map((table) => [table.name, table]));
    this.#random = createRandom(seed);
  }

  /** Finds ways to fill the table, and inserts a row or two for each. False when it takes no new row. */
  async learn(client: pg.ClientBase, table: Table): Promise<boolean> {
    const known = this.#shapes.get(table.name);
    if (known !== undefined) return known.length > 0;
    for (const { target } of table.foreignKeys) {
      const parent = this.#tables.get(target);
      if (parent !== undefined && parent !== table) await this.learn(client, parent);
    }
    const found: Shape[] = [];
    this.#shapes.set(table.name, found);
    for (let tries = 0; tries < TRIES && found.length < SHAPES; tries += 1) {
      const shape = this.#drawShape(table);
      // Twice: what succeeds once may be the only row there can be.
      if ((await this.#try(client, table, shape)) && (await this.#try(client, table, shape))) found.push(shape);
    }
    return found.length > 0;
  }

  /** Inserts a row with new parents; the row is the last. @throws what the database says */
  async insert(client: pg.ClientBase, table: Table): Promise<Row[]> {
    const shapes = this.#shapes.get(table.name) ?? [];
    const shape = shapes[this.#count % shapes.length];
    if (shape === undefined) throw new Error(`no row of ${table.name} is known to be possible`);
    return this.#insert(client, table, shape);
  }

  async #try(client: pg.ClientBase, table: Table, shape: Shape): Promise<boolean> {
    try {
      await this.#insert(client, table, shape);
      return true;
    } catch (error) {
      if (error instanceof pg.DatabaseError) return false;
      throw error;
    }
  }

  async #insert(client: pg.ClientBase, table: Table, shape: Shape): Promise<Row[]> {
    const rows: Row[] = [];
    const values = new Map<string, unknown>();
    for (const key of table.foreignKeys) {
      const parent = this.#tables.get(key.target);
      const isNull = key.columns.some((column) => shape.get(column) === "null");
      if (parent === undefined || isNull) continue;
      // Two keys that share a column lead to parents that share it.
      const given = new Map(key.targetColumns.map((target, index) => [target, values.get(key.columns[index] ?? "")]));
      const made = await this.#insertParent(client, parent, given);
      rows.push(...made);
      key.columns.forEach((column, index) => {
        values.set(column, made.at(-1)?.values[key.targetColumns[index] ?? ""]);
      });
    }
    for (const column of table.columns) {
      const choice = shape.get(column.name) ?? "default";
      if (!values.has(column.name) && choice !== "default")
        values.set(column.name, this.#valueOf(table, column, choice));
    }
    rows.push(await insertRow(client, table, values));
    return rows;
  }

  async #insertParent(client: pg.ClientBase, parent: Table, given: ReadonlyMap<string, unknown>): Promise<Row[]> {
    const known = [...given].filter(([, value]) => value !== undefined);
    if (known.length === 0) return this.insert(client, parent);
    const shapes = this.#shapes.get(parent.name) ?? [];
    const shape = shapes[this.#count % shapes.length];
    if (shape === undefined) throw new Error(`no row of ${parent.name} is known to be possible`);
    const values = new Map(known);
    for (const column of parent.columns) {
      const choice = shape.get(column.name) ?? "default";
      if (!values.has(column.name) && choice !== "default")
        values.set(column.name, this.#valueOf(parent, column, choice));
    }
    return [await insertRow(client, parent, values)];
  }

  #drawShape(table: Table): Shape {
    const shape = new Map<string, Choice>();
    for (const column of table.columns) {
      if (column.isGenerated) continue;
      const choices: Choice[] = [...candidatesOf(column, 0).keys()];
      if (column.isNullable) choices.push("null", "null");
      if (column.hasDefault) choices.push("default", "default");
      shape.set(column.name, choices[Math.floor(this.#random() * choices.length)] ?? "default");
    }
    return shape;
  }

  /** From now on the numbers and texts that these rows hold are given to no other: a column may be unique. */
  protect(rows: readonly Row[]): void {
    for (const { table, values } of rows) {
      for (const { name, type } of table.columns) {
        if (REPEATING.has(type)) this.#taken.add(`${table.name}.${name} ${values[name]}`);
      }
    }
  }

  #valueOf(table: Table, column: Column, choice: Choice): unknown {
    if (typeof choice !== "number") return null;
    for (let tries = 0; tries < SMALL_MAX; tries += 1) {
      this.#count += 1;
      const value = candidatesOf(column, this.#count)[choice];
      if (isLiteral(column, value) || !this.#taken.has(`${table.name}.${column.name} ${String(value)}`)) return value;
    }
    throw new Error(`every number for ${table.name}.${column.name} is taken`);
  }
}

async function insertRow(client: pg.ClientBase, table: Table, values: ReadonlyMap<string, unknown>): Promise<Row> {
  const names = [...values.keys()];
  const places = names.map((_, index) => `$${index + 1}`);
  const body = names.length === 0 ? "default values" : `(${names.map(quote).join(", ")}) values (${places.join(", ")})`;
  const { rows } = await client.query(`insert into ${table.name} ${body} returning ${listAsText(table)}`, [
    ...values.values(),
  ]);
  return { table, values: rows[0] as Row["values"] };
}

/** The columns of a table that old code knows, each as text. */
export function listAsText(table: Table): string {
  return table.columns.map(({ name }) => `${quote(name)}::text as ${quote(name)}`).join(", ");
}

/** A name as SQL writes it. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Checks allow small numbers. They repeat, but for those that are taken. */
const SMALL_MAX = 1_000;

/** Types whose values come again after a while. */
const REPEATING: ReadonlySet<string> = new Set(["integer", "smallint", "text"]);

/** Above everything that a sequence of a test gives. */
const NUMBER_BASE = 4_000_000_000_000;

/** Values of a type, others for every `count`. */
function candidatesOf(column: Column, count: number): unknown[] {
  const { type } = column;
  if (type === "text") {
    const hex = hexOf(count);
    const short = (count % 36 ** 3).toString(36).padStart(3, "0");
    return [`x${count}`, `x${short}`, `a${hex.slice(1, 32)}`, `a${hex.slice(1)}`, ...column.literals];
  }
  if (type === "bigint") return [String(NUMBER_BASE + count)];
  if (type === "integer" || type === "smallint") return [1 + (count % SMALL_MAX)];
  if (type === "boolean") return [true, false];
  if (type === "bytea") return [Buffer.from(hexOf(count), "hex")];
  if (type === "jsonb") return ["{}", "[]"];
  if (type === "uuid") return [hexOf(count).slice(0, 32)];
  if (type === "xid8") return [String(count)];
  if (type === "double precision") return [count];
  if (type.startsWith("timestamp")) return [new Date(1_700_000_000_000 + count * 1_000)];
  if (type.endsWith("[]")) return ["{}"];
  throw new Error(`${column.name} has the type ${type}: say in row-maker.ts which values it takes`);
}

function isLiteral(column: Column, value: unknown): boolean {
  return typeof value === "string" && column.literals.includes(value);
}

function hexOf(count: number): string {
  return createHash("sha256").update(String(count)).digest("hex");
}

/** Numbers from 0 to 1 that are the same for the same seed (a linear congruential generator, Numerical Recipes). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
