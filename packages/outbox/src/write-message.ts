import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Queryable, schemaOf } from "@cellway/database";
import { currentCall } from "@cellway/rpc";
import { categoryOf } from "./category.js";

/** A message that is written by hand. */
export interface WrittenMessage<D extends DescMessage> {
  readonly destinations: readonly string[];
  readonly shardId: string;
  /** Messages of one object that wait together become one, the newest: give what must not be lost an id of its own. */
  readonly objectId: string;
  readonly content: MessageInitShape<D>;
}

/**
 * Writes a message of a category that is sent with {@link sendContent}, as part of the transaction of `db`. Others who
 * write to the shard wait until it ends: write last.
 */
export async function writeMessage<D extends DescMessage>(
  db: Queryable,
  schema: D,
  message: WrittenMessage<D>,
): Promise<void> {
  const { sentBy, scope, number } = categoryOf(schema);
  const content = Buffer.from(toBinary(schema, create(schema, message.content)));
  await db.query(`select ${schemaOf(sentBy)}.outbox_write($1::text[], $2, $3, $4, $5, $6, $7)`, [
    message.destinations,
    scope,
    message.shardId,
    number,
    message.objectId,
    content,
    currentCall()?.traceparent ?? null,
  ]);
}
