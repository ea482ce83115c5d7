import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import type { OutgoingMessage } from "./message.js";
import type { Outbox } from "./outbox.js";
import { contentSource, OutboxTests } from "./test-support.js";
import { findFault, objectOf, type WrittenRow } from "./told-in-order.js";

const tests = OutboxTests.install();
const SHARDS = 3;
const OBJECTS = 3;

afterEach(() => {
  jest.restoreAllMocks();
});

/** What may happen, in any order. */
type Step =
  | { readonly kind: "write"; readonly shard: number; readonly objects: readonly number[]; readonly to: string }
  | { readonly kind: "open"; readonly shard: number; readonly object: number }
  | { readonly kind: "end"; readonly how: "commit" | "rollback" }
  | { readonly kind: "fail" | "hang" | "lose" | "away"; readonly count: number }
  | { readonly kind: "crash" | "restart"; readonly which: number }
  | { readonly kind: "jump"; readonly ms: number }
  | { readonly kind: "pause"; readonly shard: number }
  | { readonly kind: "resume" | "cut" | "settle" };

const shard = fc.integer({ min: 1, max: SHARDS });
const count = fc.integer({ min: 1, max: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      shard,
      objects: fc.array(fc.integer({ min: 1, max: OBJECTS }), { minLength: 1, maxLength: 6 }),
      to: fc.constantFrom("us1", "de1"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("open" as const), shard, object: fc.integer({ min: 1, max: OBJECTS }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      how: fc.constantFrom("commit" as const, "rollback" as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("fail" as const, "hang" as const, "lose" as const, "away" as const),
      count,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("crash" as const, "restart" as const),
      which: fc.integer({ min: 0, max: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("jump" as const), ms: fc.integer({ min: -1e9, max: 1e9 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pause" as const), shard }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("resume" as const, "cut" as const, "settle" as const) }),
  },
);

/** One history of a fleet of two processes and two silos. */
class World {
  private readonly pumps: (Outbox | undefined)[] = [];
  private readonly open: { end(how: "commit" | "rollback"): Promise<void>; readonly shard: number }[] = [];
  private readonly troubles = { fail: 0, hang: 0, lose: 0, away: 0 };
  private text = 0;
  /** The oldest row that each message stands for, as far as its sender knew. */
  readonly places = new WeakMap<OutgoingMessage, bigint>();
  /** The version of each object that a sender knows to be told, as long as no sender has forgotten. */
  private readonly acknowledged = new Map<string, string>();
  private isForgotten = false;

  constructor() {
    const { receiver } = tests;
    receiver.handle = async (message) => {
      if (this.takes("fail")) throw new Error("INTERNAL");
      if (this.takes("hang")) await delay(200);
      this.places.set(message, await this.findPlace(message));
    };
    receiver.admit = () => {
      if (this.takes("away")) receiver.away.add("us1");
      else receiver.away.clear();
    };
    receiver.answer = (_, verdicts, messages) => {
      if (this.takes("lose")) throw new Error("the answer is lost");
      for (const [index, message] of messages.entries()) {
        if (verdicts[index]?.kind === "delivered") this.acknowledged.set(objectOf(message), message.version);
      }
      return verdicts;
    };
    this.begin(0);
    this.begin(1);
  }

  async do(action: Step): Promise<void> {
    this.isForgotten ||= action.kind === "crash" || action.kind === "restart" || action.kind === "cut";
    switch (action.kind) {
      case "write":
        return this.write(action.shard, action.objects, action.to);
      case "open":
        return this.beginTransaction(action.shard, action.object);
      case "end":
        return this.open.shift()?.end(action.how);
      case "crash":
        return this.crash(action.which);
      case "restart":
        await this.pumps[action.which]?.stop();
        return this.begin(action.which);
      case "jump": {
        const from = Date.now();
        jest.spyOn(Date, "now").mockImplementation(() => from + action.ms);
        return;
      }
      case "pause":
        await tests.query("insert into control.outbox_pause (shard_id) values ($1) on conflict do nothing", [
          action.shard,
        ]);
        return;
      case "resume":
        await tests.query("delete from control.outbox_pause");
        return;
      case "cut":
        await tests.cutConnections();
        return;
      case "settle":
        return delay(30);
      default:
        this.troubles[action.kind] += action.count;
    }
  }

  /** Nothing more goes wrong, and everything comes to its end. */
  async quieten(): Promise<void> {
    for (const transaction of this.open.splice(0)) await transaction.end("commit");
    Object.assign(this.troubles, { fail: 0, hang: 0, lose: 0, away: 0 });
    tests.receiver.away.clear();
    jest.restoreAllMocks();
    await tests.query("delete from control.outbox_pause");
    for (const [which, pump] of this.pumps.entries()) if (pump === undefined) this.begin(which);
    await tests.untilEmpty();
    await Promise.all(this.pumps.map(async (pump) => pump?.stop()));
  }

  private async findPlace(message: OutgoingMessage): Promise<bigint> {
    const after = this.isForgotten ? "0" : (this.acknowledged.get(objectOf(message)) ?? "0");
    const rows = await tests.query<{ place: string | null }>(
      `select min(id) as place from (select * from control.outbox union all
        select id, destination, scope, shard_id, category, object_id, content, traceparent, created_at from control.outbox_held) o
      where destination = $1 and shard_id = $2 and category = $3 and object_id = $4 and id > $5`,
      [message.destination, message.shardId, message.category, message.objectId, after],
    );
    return BigInt(rows[0]?.place ?? 0);
  }

  private takes(trouble: keyof World["troubles"]): boolean {
    if (this.troubles[trouble] === 0) return false;
    this.troubles[trouble] -= 1;
    return true;
  }

  private async write(inShard: number, objects: readonly number[], to: string): Promise<void> {
    if (this.isLocked(inShard)) return;
    await tests.write(
      objects.map((object) => ({ shard: inShard, object, category: 1 + (object % 2), to, text: this.next() })),
    );
  }

  private async beginTransaction(inShard: number, object: number): Promise<void> {
    // Whoever writes to the shard of another waits for it; here nobody would end it.
    if (this.isLocked(inShard) || this.open.length > 3) return;
    const transaction = await tests.writeOpen([
      { shard: inShard, object, category: 1 + (object % 2), text: this.next() },
    ]);
    this.open.push({ ...transaction, shard: inShard });
  }

  private isLocked(inShard: number): boolean {
    return this.open.some((transaction) => transaction.shard === inShard);
  }

  /** The process is gone, its lease is not: it is left alone with a database that it cannot reach any more. */
  private async crash(which: number): Promise<void> {
    const pump = this.pumps[which];
    if (pump === undefined) return;
    this.pumps[which] = undefined;
    await tests.query(
      "update control.outbox_lease set holder = gen_random_uuid(), epoch = epoch + 1, expires_at = '-infinity'",
    );
    tests.leave(pump);
    this.begin(which);
  }

  private begin(which: number): void {
    this.pumps[which] = tests.start({
      sources: [contentSource(1, { attemptsMax: 1e9 }), contentSource(2, { attemptsMax: 1e9 })],
      limits: {
        leaseMs: 2_500,
        fetchMax: 5,
        rowsMax: 12,
        deepMin: 6,
        batchMax: 4,
        streamBatchMax: 2,
        budgetMs: 100,
        budgetAloneMs: 400,
        awayMaxMs: 30,
        backoffMs: 5,
        backoffMaxMs: 20,
      },
    });
  }

  private next(): string {
    this.text += 1;
    return String(this.text);
  }
}

test("whatever happens in whatever order, in the end the other side knows everything, told in order", async () => {
  await tests.query("create table if not exists control.written (like control.outbox)");
  await tests.query(`create or replace function control.remember() returns trigger language plpgsql as
    $$ begin insert into control.written select new.*; return null; end $$`);
  await tests.query(
    "create or replace trigger remember after insert on control.outbox for each row execute function control.remember()",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await tests.clear();
      await tests.query("truncate control.written");
      const world = new World();
      for (const action of steps) await world.do(action);
      await world.quieten();
      const rows = await tests.query<WrittenRow>(
        "select id, destination, shard_id, category, object_id, convert_from(content, 'UTF8') as text from control.written order by id",
      );
      expect(findFault({ rows, receiver: tests.receiver, places: world.places })).toBeUndefined();
    }),
    { numRuns: 25, endOnFailure: true },
  );
}, 180_000);
