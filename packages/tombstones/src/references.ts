import {
  CrossSiloReferenceError,
  type CrossSiloReferenceInfo,
  type EntityClass,
  readCrossSiloReferences,
} from "@cellway/database";
import type { EntityManager } from "typeorm";

/** How the rows of one reference go, where a DELETE alone would break a rule of their service. */
export interface CascadeRule {
  readonly entity: EntityClass;
  /** Declared with `onDelete: "cascade"`. */
  readonly property: string;
  /**
   * Removes at most `limit` of the rows that refer to the id, as part of the manager's transaction.
   *
   * @returns how many it found, those that went meanwhile included; 0 when there are none left.
   */
  readonly remove: (manager: EntityManager, objectId: string, limit: number) => Promise<number>;
}

/** A reference with something to do when its target is gone. */
export interface Reference {
  /** `organization_member.user_id`: in metrics and logs. */
  readonly name: string;
  /** Without its schema. */
  readonly table: string;
  readonly column: string;
  readonly keyColumns: readonly string[];
  readonly target: string;
  readonly onDelete: "cascade" | "set null";
  readonly rule: CascadeRule | undefined;
}

/**
 * The references of one side's entities that have something to do.
 *
 * @throws CrossSiloReferenceError for a declaration that contradicts its entity, and for a rule that belongs to none.
 */
export function resolveReferences(entities: readonly EntityClass[], rules: readonly CascadeRule[]): Reference[] {
  const declared = readCrossSiloReferences(entities);
  for (const rule of rules) {
    const reference = declared.find((info) => isRuleOf(rule, info));
    if (reference?.onDelete === "cascade") continue;
    throw new CrossSiloReferenceError(
      `${rule.entity.name}.${rule.property} has a rule for cascades and declares none.`,
    );
  }
  return declared.flatMap((info) => toReference(info, rules));
}

function toReference(info: CrossSiloReferenceInfo, rules: readonly CascadeRule[]): Reference[] {
  const { column, keyColumns, target, onDelete } = info;
  if (onDelete === "nothing") return [];
  const table = info.table.slice(info.table.indexOf(".") + 1);
  const rule = rules.find((candidate) => isRuleOf(candidate, info));
  return [{ name: `${table}.${column}`, table, column, keyColumns, target, onDelete, rule }];
}

function isRuleOf(rule: CascadeRule, info: CrossSiloReferenceInfo): boolean {
  return rule.entity === info.entity && rule.property === info.property;
}
