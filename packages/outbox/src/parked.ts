import type { MessageGroup, StreamId } from "./message.js";
import type { Fence, OutboxStore } from "./store.js";

/** Parked messages that are remembered; beyond it the table is asked about all. */
const KNOWN_MAX = 50_000;

/** Which objects have a parked message that a newer state replaces. */
export class Parked {
  private known = new Set<string>();
  private isAll = true;

  constructor(
    private readonly store: OutboxStore,
    private readonly fence: Fence,
  ) {}

  /** Learns what is parked. */
  async restore(): Promise<void> {
    const parked = await this.store.listParked(KNOWN_MAX);
    this.isAll = parked.length < KNOWN_MAX;
    this.known = new Set(parked.map((object) => keyOf(object, object)));
  }

  add(stream: StreamId, group: MessageGroup): void {
    if (this.known.size < KNOWN_MAX) this.known.add(keyOf(stream, group));
    else this.isAll = false;
  }

  /** Forgets parked messages of objects of which a newer state was delivered. */
  async replace(delivered: readonly { readonly stream: StreamId; readonly group: MessageGroup }[]): Promise<void> {
    if (this.isAll && this.known.size === 0) return;
    const keys = delivered.map(({ stream, group }) => keyOf(stream, group));
    const replaced = delivered.filter((_, index) => !this.isAll || this.known.has(keys[index] ?? ""));
    if (replaced.length === 0) return;
    await this.store.unpark(
      this.fence,
      replaced.map(({ stream, group }) => ({ ...stream, ...group })),
    );
    for (const key of keys) this.known.delete(key);
  }
}

function keyOf(
  { destination, scope, shardId }: Pick<StreamId, "destination" | "scope" | "shardId">,
  { category, objectId }: Pick<MessageGroup, "category" | "objectId">,
): string {
  return `${destination}/${scope}/${shardId}/${category}/${objectId}`;
}
