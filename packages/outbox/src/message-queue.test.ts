import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { type OutboxRow, streamKeyOf } from "./message.js";
import { MessageQueue, type Taken } from "./message-queue.js";

/** What can be done with a queue. */
type Step =
  | { readonly kind: "add"; readonly destination: string; readonly shard: number; readonly object: number }
  | { readonly kind: "take"; readonly destination: string; readonly batchMax: number; readonly streamBatchMax: number }
  | { readonly kind: "settle"; readonly which: number; readonly done: number }
  | { readonly kind: "extend"; readonly which: number; readonly newer: number }
  | { readonly kind: "remove" | "alone"; readonly destination: string; readonly shard: number };

const destination = fc.constantFrom("us1", "de1");
const small = fc.integer({ min: 0, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("add" as const), destination, shard: small, object: small }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("take" as const),
      destination,
      batchMax: fc.integer({ min: 1, max: 5 }),
      streamBatchMax: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("settle" as const), which: small, done: small }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("extend" as const), which: small, newer: small }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("remove" as const, "alone" as const), destination, shard: small }),
  },
);

interface ModelGroup {
  readonly object: string;
  ids: string[];
}

/** The same, as lists: each stream's groups in order, the first `taken` of them on their way. */
class Model {
  readonly streams = new Map<string, { groups: ModelGroup[]; taken: number; isAlone: boolean }>();

  add(key: string, object: string, id: string): void {
    const stream = this.streams.get(key) ?? { groups: [], taken: 0, isAlone: false };
    this.streams.set(key, stream);
    const waiting = stream.groups.slice(stream.taken).find((group) => group.object === object);
    if (waiting === undefined) stream.groups.push({ object, ids: [id] });
    else waiting.ids.push(id);
  }

  settle(key: string, done: number): void {
    const stream = this.streams.get(key);
    if (stream === undefined || stream.taken === 0) return;
    stream.groups.splice(0, done);
    stream.taken = 0;
    const merged: ModelGroup[] = [];
    for (const group of stream.groups) {
      const same = merged.find((other) => other.object === group.object);
      if (same === undefined) merged.push(group);
      else same.ids.push(...group.ids);
    }
    stream.groups = merged;
    if (merged.length === 0) this.streams.delete(key);
  }

  /** @returns whether the rows were added. */
  extend(key: string, index: number, ids: readonly string[]): boolean {
    const stream = this.streams.get(key);
    const group = stream === undefined || index >= stream.taken ? undefined : stream.groups[index];
    if (stream === undefined || group === undefined) return false;
    const at = stream.groups.findIndex((other, place) => place >= stream.taken && other.object === group.object);
    if (at >= 0) group.ids.push(...(stream.groups.splice(at, 1)[0]?.ids ?? []));
    group.ids.push(...ids);
    return true;
  }

  count(of?: string): number {
    let count = 0;
    for (const [key, { groups }] of this.streams) {
      if (of === undefined || key.startsWith(`${of}/`))
        count += groups.reduce((sum, group) => sum + group.ids.length, 0);
    }
    return count;
  }
}

/** Does the same with both and compares after every step. */
class Twins {
  private readonly queue = new MessageQueue();
  private readonly model = new Model();
  private onTheirWay: Taken[] = [];
  private lastId = 0;

  do(action: Step): void {
    if (action.kind === "add") this.add(action);
    else if (action.kind === "take") this.take(action);
    else if (action.kind === "settle") this.settle(action);
    else if (action.kind === "extend") this.extend(action);
    else this.change(action);
    for (const of of [undefined, "us1", "de1"]) {
      expect(of === undefined ? this.queue.rowCount : this.queue.rowsOf(of)).toBe(this.model.count(of));
    }
  }

  /** Takes and settles until nothing is left. */
  drain(): void {
    for (const { key, groups } of this.onTheirWay.splice(0)) this.settleBoth(key, groups.length);
    for (const name of ["us1", "de1"]) {
      for (let round = 0; this.queue.isReady(name); round += 1) {
        expect(round).toBeLessThan(1_000);
        this.take({ destination: name, batchMax: 3, streamBatchMax: 2 });
        for (const { key, groups } of this.onTheirWay.splice(0)) this.settleBoth(key, groups.length);
      }
    }
    expect([this.queue.rowCount, this.queue.findBusiest(), this.model.streams.size]).toEqual([0, undefined, 0]);
  }

  private add({ destination: name, shard, object }: { destination: string; shard: number; object: number }): void {
    const row = this.createRow(name, shard, object);
    this.queue.add(1, row);
    this.model.add(this.keyOf(name, shard), `1/${object}`, row.id);
  }

  private take(limits: { destination: string; batchMax: number; streamBatchMax: number }): void {
    const taken = this.queue.take(limits.destination, limits);
    this.onTheirWay.push(...taken);
    let messages = 0;
    for (const { key, groups } of taken) {
      const stream = this.model.streams.get(key);
      expect(stream?.taken).toBe(0);
      expect(groups.map(({ ids }) => ids)).toEqual(stream?.groups.slice(0, groups.length).map(({ ids }) => ids));
      expect(groups.length).toBeLessThanOrEqual(stream?.isAlone ? 1 : limits.streamBatchMax);
      if (stream?.isAlone) expect(taken).toHaveLength(1);
      if (stream !== undefined) stream.taken = groups.length;
      messages += groups.length;
    }
    expect(messages).toBeLessThanOrEqual(limits.batchMax);
    const isWaiting = [...this.model.streams].some(
      ([key, { taken: count, groups }]) => key.startsWith(limits.destination) && count === 0 && groups.length > 0,
    );
    if (taken.length === 0) expect(isWaiting).toBe(false);
  }

  private settle({ which, done }: { which: number; done: number }): void {
    const [taken] = this.onTheirWay.splice(which, 1);
    if (taken !== undefined) this.settleBoth(taken.key, Math.min(done, taken.groups.length));
  }

  private settleBoth(key: string, done: number): void {
    this.queue.settle(key, done);
    this.model.settle(key, done);
  }

  private extend({ which, newer }: { which: number; newer: number }): void {
    const taken = this.onTheirWay[which];
    const group = taken?.groups[0];
    if (taken === undefined || group === undefined) return;
    const rows = Array.from({ length: newer }, () => this.createRow("us1", 0, 0));
    const added = this.queue.extend(taken.key, 0, rows);
    const isAdded = this.model.extend(
      taken.key,
      0,
      rows.map(({ id }) => id),
    );
    expect(added).toEqual(isAdded ? rows : []);
  }

  private change({
    kind,
    destination: name,
    shard,
  }: {
    kind: "remove" | "alone";
    destination: string;
    shard: number;
  }): void {
    const key = this.keyOf(name, shard);
    const stream = this.model.streams.get(key);
    if (kind === "alone") {
      this.queue.setAlone(key, true);
      if (stream !== undefined) stream.isAlone = true;
      return;
    }
    this.onTheirWay = this.onTheirWay.filter((taken) => taken.key !== key);
    this.model.streams.delete(key);
    expect(this.queue.remove(key)).toEqual(stream?.groups.flatMap(({ ids }) => ids) ?? []);
  }

  private keyOf(name: string, shard: number): string {
    return streamKeyOf({ destination: name, scope: 1, shardId: String(shard), lane: 1 });
  }

  private createRow(name: string, shard: number, object: number): OutboxRow {
    this.lastId += 1;
    return {
      id: String(this.lastId),
      destination: name,
      scope: 1,
      shard_id: String(shard),
      category: 1,
      object_id: String(object),
      has_content: true,
      traceparent: null,
      created_ms: 0,
    };
  }
}

test("a queue gives each stream's messages in order, coalesced, and every row exactly once, whatever is done with it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const twins = new Twins();
      for (const action of steps) twins.do(action);
      twins.drain();
    }),
    { numRuns: 2_000 },
  );
});
