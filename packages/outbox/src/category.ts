import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { OutboxScope, outbox, SiloMode } from "@cellway/gen/cellway/contract/v1/options";
import type { LocalMode } from "@cellway/silo";

/** Failed deliveries after which a message is parked, where its contract says nothing. */
const ATTEMPTS_MAX_DEFAULT = 12;

/** What is told of one kind of object, read from the contract of its message. */
export interface Category {
  /** Stands in rows; unique. */
  readonly number: number;
  readonly content: DescMessage;
  readonly sentBy: LocalMode;
  /** What its shard is; the number stands in rows. */
  readonly scope: OutboxScope;
  /** The category that its order is named after: messages of one lane and shard are delivered in order. */
  readonly lane: number;
  readonly attemptsMax: number;
}

/** The categories of an outbox or an inbox contradict each other or their contracts. A programming error. */
export class OutboxCategoryError extends Error {
  override readonly name = "OutboxCategoryError";
}

/** @throws OutboxCategoryError when the message does not state all that a category needs. */
export function categoryOf(content: DescMessage): Category {
  if (!hasOption(content, outbox)) {
    throw new OutboxCategoryError(`${content.typeName} has no option (cellway.contract.v1.outbox).`);
  }
  const option = getOption(content, outbox);
  if (option.category < 1 || option.category > 32_767) {
    throw new OutboxCategoryError(`${content.typeName}: category must be 1 to 32767.`);
  }
  if (option.sentBy === SiloMode.UNSPECIFIED) throw new OutboxCategoryError(`${content.typeName}: state sent_by.`);
  if (option.scope === OutboxScope.UNSPECIFIED) throw new OutboxCategoryError(`${content.typeName}: state its scope.`);
  return {
    number: option.category,
    content,
    sentBy: option.sentBy === SiloMode.CONTROL ? "CONTROL" : "CELL",
    scope: option.scope,
    lane: option.orderedWith === 0 ? option.category : option.orderedWith,
    attemptsMax: option.attemptsMax === 0 ? ATTEMPTS_MAX_DEFAULT : option.attemptsMax,
  };
}

/** Categories by number. */
export type Categories<T extends { readonly category: Category }> = ReadonlyMap<number, T>;

/**
 * Indexes what is sent or received by its category.
 *
 * @throws OutboxCategoryError when a number is used twice, or a category is ordered with one that is not there, has
 * another scope, or is itself ordered with a third.
 */
export function indexCategories<T extends { readonly category: Category }>(entries: readonly T[]): Categories<T> {
  const byNumber = new Map<number, T>();
  for (const entry of entries) {
    const { number, content } = entry.category;
    const twin = byNumber.get(number);
    if (twin !== undefined) {
      throw new OutboxCategoryError(
        `${content.typeName} and ${twin.category.content.typeName} have the same category ${number}; give one a new number.`,
      );
    }
    byNumber.set(number, entry);
  }
  for (const { category } of entries) assertLane(category, byNumber.get(category.lane)?.category);
  return byNumber;
}

function assertLane(category: Category, lane: Category | undefined): void {
  const { typeName } = category.content;
  if (lane === undefined) {
    throw new OutboxCategoryError(`${typeName} is ordered with category ${category.lane}, which nobody declares.`);
  }
  if (lane.scope !== category.scope || lane.sentBy !== category.sentBy) {
    throw new OutboxCategoryError(
      `${typeName} is ordered with ${lane.content.typeName}, which has another scope or sender.`,
    );
  }
  if (lane.lane !== lane.number) {
    throw new OutboxCategoryError(
      `${typeName} is ordered with ${lane.content.typeName}, which is itself ordered with another: name that one.`,
    );
  }
}
