import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { Validator } from "@bufbuild/protovalidate";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { type Message, type MessageBatch, Outcome } from "@cellway/gen/cellway/outbox/v1/outbox";
import { ConnectError } from "@connectrpc/connect";
import { type Categories, type Category, categoryOf, indexCategories } from "./category.js";
import { describeError } from "./errors.js";

/** Streams of one batch that are worked on at once. */
const STREAMS_AT_ONCE = 16;

/** What happened to an object of the other side. */
export interface Delivered<D extends DescMessage> {
  readonly shardId: string;
  readonly objectId: string;
  /** Greater for every later state of the object: one that is not greater than what is known must change nothing. */
  readonly version: string;
  /** Its state; undefined when it is gone. */
  readonly content: MessageShape<D> | undefined;
  /** The silo that says so. */
  readonly sender: string;
  /** The cell, or control, that is told. Several cells may share the tables of one silo. */
  readonly recipient: string;
}

/** Takes over one category's messages. */
export interface OutboxReceiver {
  readonly category: Category;
  /** May be called again with what was applied already, and with an older state after a newer one. Rejects to refuse. */
  apply(message: Delivered<DescMessage>): Promise<void>;
}

/** Pairs a category with what takes its messages over. */
export function receiveMessages<D extends DescMessage>(
  content: D,
  apply: (message: Delivered<D>) => Promise<void>,
): OutboxReceiver {
  return { category: categoryOf(content), apply };
}

/** Whose an organization is, as far as this silo knows. */
export type Ownership = "sender" | "other" | "unknown";

/** What an inbox is made of. */
export interface InboxOptions {
  readonly receivers: readonly OutboxReceiver[];
  readonly validator: Validator;
  /** Asked for messages about organizations. Control: whether the organization lives in the cell that sends. */
  readonly ownershipOf: (organizationId: string, sender: string) => Promise<Ownership>;
  /** Whether an error says nothing of the message, only that nothing can be applied now. Then the whole batch fails with it. */
  readonly isTransient: (error: unknown) => boolean;
  /** Told of an error that is a bug of a receiver. */
  readonly onBug: (error: unknown, message: Message) => void;
}

/** The answer to one message. */
export interface MessageResult {
  readonly outcome: Outcome;
  readonly error: string;
}

/** Between whom a batch travels. */
export type Route = Pick<Delivered<DescMessage>, "sender" | "recipient">;

/** Takes over what outboxes of the other side send. */
export interface Inbox {
  /** Applies messages, each stream in order, and answers for each; what does not end in time is answered as unfinished. */
  take(batch: MessageBatch, route: Route): Promise<MessageResult[]>;
}

/** @throws OutboxCategoryError when two receivers have one category. */
export function createInbox(options: InboxOptions): Inbox {
  const receivers = indexCategories(options.receivers);
  return {
    async take(batch, route) {
      // What is not begun is none of the messages' fault: it is sent again at once.
      const results = batch.messages.map((): MessageResult => ({ outcome: Outcome.SKIPPED, error: "" }));
      const over = new AbortController();
      const streams = groupByStream(batch.messages, receivers);
      const work = Array.from({ length: Math.min(STREAMS_AT_ONCE, streams.length) }, async () => {
        for (let stream = streams.shift(); stream !== undefined; stream = streams.shift()) {
          await takeStream({ ...options, ...route, receivers, over: over.signal }, batch.messages, stream, results);
        }
      });
      try {
        await withinBudget(batch.budgetMs, Promise.all(work));
        return [...results];
      } finally {
        // No message is begun after the answer; what is under way may end, and is applied again later.
        over.abort();
        streams.length = 0;
      }
    },
  };
}

type Taking = Omit<InboxOptions, "receivers"> &
  Route & {
    readonly receivers: Categories<OutboxReceiver>;
    /** Aborts when the batch is answered. */
    readonly over: AbortSignal;
  };

/** The places of each stream's messages, in order. */
function groupByStream(messages: readonly Message[], receivers: Categories<OutboxReceiver>): number[][] {
  const streams = new Map<string, number[]>();
  for (const [index, { category, shardId }] of messages.entries()) {
    const key = `${receivers.get(category)?.category.lane ?? category}/${shardId}`;
    const stream = streams.get(key);
    if (stream === undefined) streams.set(key, [index]);
    else stream.push(index);
  }
  return [...streams.values()];
}

async function takeStream(
  taking: Taking,
  messages: readonly Message[],
  stream: readonly number[],
  results: MessageResult[],
): Promise<void> {
  let hasFailed = false;
  for (const index of stream) {
    const message = messages[index];
    if (message === undefined) continue;
    if (taking.over.aborted) return;
    if (!hasFailed) results[index] = { outcome: Outcome.UNFINISHED, error: "" };
    const error = hasFailed ? undefined : await takeOne(taking, message);
    if (hasFailed) results[index] = { outcome: Outcome.SKIPPED, error: "" };
    else if (error === undefined) results[index] = { outcome: Outcome.DELIVERED, error: "" };
    else {
      results[index] = { outcome: Outcome.FAILED, error };
      hasFailed = true;
    }
  }
}

/** @returns why it failed; undefined when it did not. */
async function takeOne(taking: Taking, message: Message): Promise<string | undefined> {
  const receiver = taking.receivers.get(message.category);
  if (receiver === undefined) return "CATEGORY_UNKNOWN: this version of the receiver does not know the category";
  try {
    const { shardId, objectId, version } = message;
    const content = readContent(taking, receiver.category.content, message);
    if (receiver.category.scope === OutboxScope.ORGANIZATION) {
      const ownership = await taking.ownershipOf(shardId, taking.sender);
      // What is gone from an organization that is not known is gone here too.
      if (ownership === "unknown" && content === undefined) return undefined;
      if (ownership !== "sender")
        return `ORGANIZATION_NOT_OWNED: it lives ${ownership === "other" ? "elsewhere" : "nowhere"}`;
    }
    const { sender, recipient } = taking;
    await receiver.apply({ shardId, objectId, version, content, sender, recipient });
    return undefined;
  } catch (error) {
    if (error instanceof ContentError) return error.message;
    if (taking.isTransient(error)) throw error;
    if (!(error instanceof ConnectError)) taking.onBug(error, message);
    return describeError(error);
  }
}

/** A message that is not what its category says. */
class ContentError extends Error {
  override readonly name = "ContentError";
}

function readContent(taking: Taking, schema: DescMessage, { content }: Message): MessageShape<DescMessage> | undefined {
  if (content === undefined) return undefined;
  let message: MessageShape<DescMessage>;
  try {
    message = fromBinary(schema, content);
  } catch {
    throw new ContentError("CONTENT_MALFORMED: it cannot be read");
  }
  const result = taking.validator.validate(schema, message);
  if (result.kind === "valid") return message;
  const rule = result.kind === "invalid" ? result.violations[0]?.ruleId : "a rule that cannot be evaluated";
  throw new ContentError(`CONTENT_INVALID: it breaks ${rule ?? "a rule"}`);
}

async function withinBudget(budgetMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, budgetMs);
  });
  // What fails after the answer has been asked for again by then.
  work.catch(() => undefined);
  await Promise.race([work, over]).finally(() => clearTimeout(timer));
}
