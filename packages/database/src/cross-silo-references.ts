import { getMetadataArgsStorage } from "typeorm";
import { type EntityClass, localModeOfEntity, type SiloTable, schemaOf, siloTableOf } from "./entities.js";

/**
 * What becomes of a row when what it refers to in the other silo is deleted: the row goes, it loses the reference, or
 * it stays as it is.
 */
export type OnDelete = "cascade" | "set null" | "nothing";

/** A column that holds an id of the other side, as its entity declares it. */
export interface CrossSiloReferenceInfo {
  readonly entity: EntityClass;
  readonly property: string;
  /** `cell.organization_member`. */
  readonly table: SiloTable;
  readonly column: string;
  /** Of the primary key. */
  readonly keyColumns: readonly string[];
  /** The table of the other side whose ids it holds. */
  readonly target: SiloTable;
  readonly onDelete: OnDelete;
}

/** A declaration contradicts its entity. A programming error. */
export class CrossSiloReferenceError extends Error {
  override readonly name = "CrossSiloReferenceError";
}

interface Mark {
  readonly property: string;
  readonly target: SiloTable;
  readonly onDelete: OnDelete;
}

const marks = new Map<unknown, Mark[]>();

/**
 * Says that a column holds ids of a table of the other side, and what a deletion there means for the row. Everything
 * but `nothing` needs a migration that calls `tombstone_reference`, and is carried out some time after the deletion.
 */
export function CrossSiloReference(target: SiloTable, { onDelete }: { onDelete: OnDelete }): PropertyDecorator {
  return (prototype, property) => {
    const own = marks.get(prototype.constructor) ?? [];
    marks.set(prototype.constructor, [...own, { property: String(property), target, onDelete }]);
  };
}

/**
 * The references that these entities declare.
 *
 * @throws CrossSiloReferenceError for one that is not a `bigint` column, does not lead to the other side, or would have
 * to set to null what can not be null.
 */
export function readCrossSiloReferences(entities: readonly EntityClass[]): CrossSiloReferenceInfo[] {
  return entities.flatMap((entity) => (marks.get(entity) ?? []).map((mark) => readReference(entity, mark)));
}

function readReference(entity: EntityClass, mark: Mark): CrossSiloReferenceInfo {
  const { property, target, onDelete } = mark;
  const refuse = (why: string) => new CrossSiloReferenceError(`${entity.name}.${property}: ${why}`);
  const table = siloTableOf(entity);
  const localMode = localModeOfEntity(entity);
  if (table === undefined || localMode === undefined) throw refuse("its entity is marked for no silo.");
  if (target.startsWith(`${schemaOf(localMode)}.`)) throw refuse(`${target} is on the same side: use a foreign key.`);
  const columns = getMetadataArgsStorage().filterColumns(entity);
  const column = columns.find(({ propertyName }) => propertyName === property);
  if (column === undefined) throw refuse("there is no such column.");
  if (column.options.type !== "bigint") throw refuse("ids of the other side are bigint.");
  if (onDelete === "set null" && column.options.nullable !== true)
    throw refuse("a column that is not nullable can not be set to null.");
  return {
    entity,
    property,
    table,
    column: column.options.name ?? property,
    keyColumns: columns
      .filter(({ options }) => options.primary === true)
      .map(({ options, propertyName }) => options.name ?? propertyName),
    target,
    onDelete,
  };
}
