import { once } from "node:events";
import { type Courier, DestinationAwayError, type OutgoingMessage, streamKeyOf, type Verdict } from "./message.js";

/** The other side: remembers what it was told, and can be made to misbehave. */
export class FakeReceiver implements Courier {
  readonly received: OutgoingMessage[] = [];
  /** The newest text of each object. */
  readonly states = new Map<string, string>();
  /** Messages that came after a later one of their stream. */
  inversions = 0;
  readonly away = new Set<string>();
  /** Called before each call is worked on; waits to be slow. */
  admit: (destination: string) => void | Promise<void> = () => {};
  /** Called with what a call is answered. */
  answer: (
    destination: string,
    verdicts: readonly Verdict[],
    messages: readonly OutgoingMessage[],
  ) => readonly Verdict[] = (_, verdicts) => verdicts;
  /** Calls to each destination. */
  readonly calls = new Map<string, number>();
  /** Called for each message; throws to fail it, or waits to be slow. */
  handle: (message: OutgoingMessage) => void | Promise<void> = () => {};
  private readonly versions = new Map<string, bigint>();
  private readonly streams = new Map<string, bigint>();
  private readonly busy = new Set<string>();
  overlaps = 0;

  async deliver(
    destination: string,
    messages: readonly OutgoingMessage[],
    { budgetMs, signal }: { budgetMs: number; signal: AbortSignal },
  ): Promise<readonly Verdict[]> {
    this.calls.set(destination, (this.calls.get(destination) ?? 0) + 1);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.away.has(destination)) throw new DestinationAwayError(destination);
    const admitted = this.admit(destination);
    if (admitted !== undefined) await Promise.race([admitted, once(signal, "abort")]);
    if (signal.aborted) throw new DestinationAwayError("the call was given up");
    const verdicts: Verdict[] = messages.map(() => ({ kind: "unfinished" }));
    const byStream = new Map<string, number[]>();
    messages.forEach((message, index) => {
      const key = streamKeyOf(message);
      byStream.set(key, [...(byStream.get(key) ?? []), index]);
    });
    const work = Promise.all(
      [...byStream].map(([key, indexes]) => this.handleStream(key, indexes, messages, verdicts)),
    );
    let timer: NodeJS.Timeout | undefined;
    const budget = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, budgetMs);
    });
    await Promise.race([work, budget]);
    clearTimeout(timer);
    return this.answer(destination, [...verdicts], messages);
  }

  /** The objects that it was told of, in order, of one destination. */
  objectsOf(destination: string): string[] {
    return this.received.filter((message) => message.destination === destination).map((message) => message.objectId);
  }

  private async handleStream(
    key: string,
    indexes: readonly number[],
    messages: readonly OutgoingMessage[],
    verdicts: Verdict[],
  ): Promise<void> {
    if (this.busy.has(key)) this.overlaps += 1;
    this.busy.add(key);
    let hasFailed = false;
    for (const index of indexes) {
      const message = messages[index] as OutgoingMessage;
      if (hasFailed) {
        verdicts[index] = { kind: "skipped" };
        continue;
      }
      try {
        const result = this.handle(message);
        if (result !== undefined) await result;
        this.accept(key, message);
        verdicts[index] = { kind: "delivered" };
      } catch (error) {
        hasFailed = true;
        verdicts[index] = { kind: "failed", error: (error as Error).message };
      }
    }
    this.busy.delete(key);
  }

  private accept(key: string, message: OutgoingMessage): void {
    this.received.push(message);
    const version = BigInt(message.version);
    const object = `${message.destination}/${message.shardId}/${message.category}/${message.objectId}`;
    if (version < (this.streams.get(key) ?? 0n)) this.inversions += 1;
    this.streams.set(key, version);
    if (version <= (this.versions.get(object) ?? 0n)) return;
    this.versions.set(object, version);
    this.states.set(object, Buffer.from(message.content ?? []).toString());
  }
}
