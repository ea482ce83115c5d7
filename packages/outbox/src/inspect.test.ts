import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OutboxListing, OutboxListQuerySchema, OutboxState } from "@cellway/gen/cellway/outbox/v1/operator";
import { describe, expect, test } from "@jest/globals";
import type { Outbox } from "./outbox.js";
import { contentSource, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

const list = ({ operator }: Outbox, query: MessageInitShape<typeof OutboxListQuerySchema>) =>
  operator.list(create(OutboxListQuerySchema, query));

/** An outbox of which shard 1 is refused and, but for a first message that parks, backs off for an hour. */
async function startStuck(): Promise<Outbox> {
  tests.receiver.handle = ({ shardId, objectId }) => {
    if (shardId === "1" || objectId === "7") throw new Error("KEY_TAKEN");
  };
  const sources = [contentSource(1, { attemptsMax: 1_000 }), contentSource(2, { attemptsMax: 2 })];
  const outbox = tests.start({ sources, limits: { backoffMs: 20, backoffMaxMs: 3_600_000, reportMs: 20 } });
  await tests.write([{ shard: 5, object: 7, category: 2, text: "secret" }]);
  await eventually(async () => (await tests.count()).parked === 1);
  await tests.write(range(5, (object) => ({ shard: 1, object, text: "secret" })));
  await eventually(async () => (await tests.count()).held === 5);
  return outbox;
}

describe("a status", () => {
  test("of an outbox that has delivered everything is empty, and says who delivers", async () => {
    const outbox = tests.start({ limits: { reportMs: 20 } });
    await tests.write([{ shard: 1, object: 1 }]);
    await tests.untilEmpty();
    await eventually(async () => (await outbox.operator.status()).owner?.notificationsWork === true);
    const status = await outbox.operator.status();
    expect(status).toMatchObject({ depths: [], heldStreams: [], pauses: [], owner: { isOwned: true } });
    expect(status.owner?.process).toContain(`:${process.pid}`);
  });

  test("tells what waits and what is parked by category and destination, with the streams that do not flow", async () => {
    const outbox = await startStuck();
    const status = await outbox.operator.status();
    expect(status.depths).toMatchObject([
      { category: 1, destination: "us1", state: OutboxState.BACKING_OFF, depth: 5, isMore: false },
      { category: 2, destination: "us1", state: OutboxState.PARKED, depth: 1, isMore: false },
    ]);
    expect(status.depths?.every(({ oldestAgeMs = 0 }) => oldestAgeMs > 0 && oldestAgeMs < 60_000)).toBe(true);
    expect(status.heldStreams).toEqual([{ state: OutboxState.BACKING_OFF, streams: 1, isMore: false }]);
  });

  test("calls rows away whose silo cannot be reached, also those that no table holds back", async () => {
    tests.receiver.away.add("us2");
    const outbox = tests.start({ limits: { reportMs: 20 } });
    await tests.write([{ shard: 1, object: 1, to: "us2" }]);
    await eventually(async () => (await outbox.operator.status()).depths?.[0]?.state === OutboxState.AWAY);
    tests.receiver.away.clear();
    await tests.untilEmpty();
  });

  test("looks at no more rows than it says, and says that there are more", async () => {
    const { pool } = tests.bench;
    await tests.write(range(30, (object) => ({ shard: object, object })));
    const { rows } = await pool.query("select depth, is_cut from control.outbox_depths(20)");
    expect(rows).toEqual([{ depth: 20, is_cut: true }]);
    const settings = "set enable_sort = off; set enable_seqscan = off; set enable_bitmapscan = off";
    const plan = await pool.connect();
    await plan.query(settings);
    const explained = await plan.query("explain select created_at from control.outbox order by id limit 20");
    await plan.query("reset all");
    plan.release();
    expect(JSON.stringify(explained.rows)).toMatch(/Index Scan using outbox_pkey/);
  });
});

describe("a list", () => {
  test("of a shard gives its rows page by page, with the error at the one that it stands at, and no content", async () => {
    const outbox = await startStuck();
    const query = { listing: OutboxListing.SHARD, selector: { scope: 1, shardId: "1" }, pageSize: 3 };
    const first = await list(outbox, query);
    const second = await list(outbox, { ...query, pageToken: first.nextPageToken });
    const rows = [...first.rows, ...second.rows];
    expect(rows.map(({ objectId }) => objectId)).toEqual(["0", "1", "2", "3", "4"]);
    expect([first.rows.length, second.nextPageToken]).toEqual([3, ""]);
    expect(rows[0]).toMatchObject({ state: OutboxState.BACKING_OFF, error: "KEY_TAKEN" });
    expect(rows[0]?.attempts).toBeGreaterThan(0);
    expect(rows[0]?.nextTryMs).toBeGreaterThanOrEqual(0);
    expect(rows[1]).toMatchObject({ attempts: 0, error: "" });
    expect(JSON.stringify(rows)).not.toContain("secret");
  });

  test("of what is parked and of what fails has one row for each, page by page, with its error", async () => {
    const outbox = await startStuck();
    await tests.bench.pool.query(
      `insert into control.outbox_parked (destination, scope, shard_id, category, object_id, error, created_at)
       values ('us1', 1, 5, 2, 8, 'REFUSED', now()), ('us0', 1, 9, 1, 1, 'REFUSED', now())`,
    );
    const query = { listing: OutboxListing.PARKED, pageSize: 2 };
    const first = await list(outbox, query);
    const second = await list(outbox, { ...query, pageToken: first.nextPageToken });
    const keys = [...first.rows, ...second.rows].map(({ destination, objectId, error }) => [
      destination,
      objectId,
      error,
    ]);
    expect(keys).toEqual([
      ["us0", "1", "REFUSED"],
      ["us1", "7", "KEY_TAKEN"],
      ["us1", "8", "REFUSED"],
    ]);
    const failing = await list(outbox, { listing: OutboxListing.FAILING });
    expect(failing.rows).toMatchObject([{ shardId: "1", objectId: "0", error: "KEY_TAKEN" }]);
    expect(
      (await list(outbox, { listing: OutboxListing.PARKED, selector: { scope: 1, shardId: "9" } })).rows,
    ).toHaveLength(1);
  });

  test.each([
    ["a shard that is not named", { listing: OutboxListing.SHARD }, "shard_id"],
    ["a shard without its scope", { listing: OutboxListing.PARKED, selector: { shardId: "1" } }, "scope"],
    [
      "a category that does not exist",
      { listing: OutboxListing.PARKED, selector: { category: "Nothing" } },
      "category",
    ],
    ["a token of another list", { listing: OutboxListing.PARKED, pageToken: "WyIxIl0" }, "page_token"],
    ["a token that nobody gave", { listing: OutboxListing.FAILING, pageToken: "%" }, "page_token"],
  ])("of %s is refused with the field's name", async (_, query, field) => {
    await expect(list(tests.start(), query)).rejects.toThrow(`${field}: `);
  });
});
