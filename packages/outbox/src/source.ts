import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Queryable } from "@cellway/database";
import { type Category, categoryOf, OutboxCategoryError } from "./category.js";

/** What the state of an object is told as: its content; `withheld` for one that is not to be told of yet. */
export type StateOf<D extends DescMessage> = MessageInitShape<D> | "withheld";

/** A table of which every change is told. */
export interface ReplicatedTable {
  /** Without its schema. */
  readonly name: string;
  /** The column that names the shard. */
  readonly shardColumn: string;
  /** The column that names the object. */
  readonly objectColumn: string;
}

/**
 * Reads the present states of objects, as they are for one destination. An object that is left out is gone, or is none
 * of the destination's any more, which for the destination is the same.
 */
export type ReadStates<State> = (
  db: Queryable,
  objectIds: readonly string[],
  destination: string,
) => Promise<ReadonlyMap<string, State>>;

/** How a category is sent. */
export interface OutboxSource {
  readonly category: Category;
  /** The table whose changes are told; undefined for messages that are written by hand. */
  readonly table: ReplicatedTable | undefined;
  /** Of a table: after it has grown, every row is told of anew. Default 1. */
  readonly replicationVersion?: number;
  /** The present states of objects, serialized. An object that is left out is gone. Undefined: the rows hold the content. */
  readonly read: ReadStates<Uint8Array | "withheld"> | undefined;
}

/**
 * A replicated table: each change of a row is told as the state that the object has when it is delivered, so that a
 * field that is added to the message and to `read` needs nothing else. Its migration calls `outbox_track`. Rows that do
 * not change are told of anew once `replicationVersion` (default 1) is raised.
 *
 * @throws OutboxCategoryError for a version that is not a whole number from 1.
 */
export function replicateTable<D extends DescMessage>(
  content: D,
  table: ReplicatedTable,
  read: ReadStates<StateOf<D>>,
  { replicationVersion = 1 }: { readonly replicationVersion?: number } = {},
): OutboxSource {
  if (!Number.isInteger(replicationVersion) || replicationVersion < 1) {
    throw new OutboxCategoryError(`${content.typeName}: replicationVersion must be a whole number from 1.`);
  }
  return {
    category: categoryOf(content),
    table,
    replicationVersion,
    async read(db, objectIds, destination) {
      const states = await read(db, objectIds, destination);
      const serialized = new Map<string, Uint8Array | "withheld">();
      for (const [id, state] of states) {
        serialized.set(id, state === "withheld" ? state : toBinary(content, create(content, state)));
      }
      return serialized;
    },
  };
}

/** A category whose messages are written by hand, with their content ({@link writeMessage}). */
export function sendContent(content: DescMessage): OutboxSource {
  return { category: categoryOf(content), table: undefined, read: undefined };
}
