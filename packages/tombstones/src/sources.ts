import type { DescMessage } from "@bufbuild/protobuf";
import { type Queryable, rowsOf, type SiloTable, schemaOf } from "@cellway/database";
import { type Category, categoryOf, type OutboxReceiver, type OutboxSource, receiveMessages } from "@cellway/outbox";
import type { LocalMode } from "@cellway/silo";

/** How one side learns that a row of the other has been deleted. */
export type TombstoneSource = ToldDeletions | MirroredDeletions;

/** The deletions of a table are messages of an outbox. Its migration calls `tombstone_tell`. */
interface ToldDeletions {
  readonly kind: "tells";
  readonly category: Category;
  /** Without its schema. */
  readonly table: string;
  readonly target: SiloTable;
}

/** A row on this side goes when that of the other side does. Its migration calls `tombstone_mirror`. */
interface MirroredDeletions {
  readonly kind: "mirrors";
  readonly table: string;
  readonly column: string;
  readonly target: SiloTable;
}

/** Tells the other side of every row of a table (without its schema) that is deleted. */
export function tellDeletions(content: DescMessage, table: string): ToldDeletions {
  const category = categoryOf(content);
  return { kind: "tells", category, table, target: `${schemaOf(category.sentBy)}.${table}` };
}

/** Takes the deletion of a row of this side (`column` holds the id) for the end of `target`'s. */
export function mirrorDeletions(target: SiloTable, from: { table: string; column: string }): MirroredDeletions {
  return { kind: "mirrors", target, ...from };
}

/** What an outbox sends of deletions. It never says that a row is gone which is there. */
export function sendTombstones({ category, target }: ToldDeletions): OutboxSource {
  return {
    category,
    table: undefined,
    async read(db, ids) {
      const present = await db.query(`select id from ${target} where id = any($1::bigint[])`, [ids]);
      return new Map(rowsOf<{ id: string }>(present).map(({ id }) => [id, "withheld"]));
    },
  };
}

/** Notes deletions that the other side tells. Quick: what they entail is done later. */
export function receiveTombstones(db: Queryable, localMode: LocalMode, told: ToldDeletions): OutboxReceiver {
  const sql = `select ${schemaOf(localMode)}.tombstone_record($1, $2, $3)`;
  return receiveMessages(told.category.content, async ({ objectId, version, content }) => {
    if (content === undefined) await db.query(sql, [told.target, objectId, version]);
  });
}
