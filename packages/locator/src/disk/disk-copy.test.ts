import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { RouteMemory } from "../route-memory.js";
import { createTestLocator, held, NOW_MS, routes, snapshot, until } from "../test-support.js";
import { keepDiskCopy, loadDiskCopy } from "./disk-copy.js";
import { PIECE_BYTES } from "./read-copy.js";
import { writeCopy } from "./write-copy.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellway-routes-"));
  path = join(folder, "routes");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function create(texts: readonly string[] = [], localities: readonly string[] = []) {
  const parts = createTestLocator();
  const { memory } = parts.locator;
  if (texts.length > 0) for (const one of snapshot(texts)) memory.apply(one);
  return { ...parts, memory, context: { path, memory, localities, logger: parts.logger, metrics: parts.metrics } };
}

const write = (memory: RouteMemory, options: { bytesPerSecondMax?: number; signal?: AbortSignal } = {}) => {
  const { bytesPerSecondMax = 1e9, signal = new AbortController().signal } = options;
  return writeCopy(memory, { path, localities: [], bytesPerSecondMax, signal });
};

/** A copy as the version before wrote it: of organizations alone. */
async function writeBefore(cursor: string): Promise<void> {
  const cells = [{ name: "us1", locality: "us", address: "http://us1.test:1", epoch: 1, isDeleted: false }];
  const footer = Buffer.from(
    JSON.stringify({ localities: [], feedId: "feed", cursor, completeUntilMs: NOW_MS, cells }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  const record = Buffer.from("0104 0000 0c00000000000000 0700000000000000".replaceAll(" ", ""), "hex");
  const body = Buffer.concat([Buffer.from("CWROUTE1"), record, Buffer.from("acme"), Buffer.from([0]), footer, length]);
  await writeFile(path, Buffer.concat([body, createHash("sha256").update(body).digest()]));
}

const TEXTS = ["7:acme@us1:12", "9007199254740993:grüße@de1:9007199254740991", "8:globex@us2:13"];

test("a copy gives back routes, cells, cursor and age", async () => {
  const bytes = await write(create(TEXTS).memory);
  expect((await stat(path)).size).toBe(bytes);
  const { memory, context, locator } = create();
  expect(await loadDiskCopy(context)).toBe(true);
  expect(held(memory)).toEqual(TEXTS.toSorted());
  expect([memory.cursor, memory.feedId, memory.completeUntilMs, memory.isComplete]).toEqual([
    "c1",
    "feed",
    NOW_MS,
    true,
  ]);
  expect(await locator.find({ kind: "slug", value: "grüße" })).toMatchObject({ origin: "disk", cell: { name: "de1" } });
});

test("a copy gives back aliases and project keys", async () => {
  const texts = ["#abc>7:15", "7:acme@us1:12", "old>7:14", "older>7:13"];
  await write(create(texts).memory);
  const { memory, context } = create();
  expect(await loadDiskCopy(context)).toBe(true);
  expect(held(memory)).toEqual(texts);
});

test("a copy of before cells had HTTP addresses has the feed say everything anew: its cursor may be behind them", async () => {
  await writeBefore("c1");
  const { memory, context } = create();
  expect(await loadDiskCopy(context)).toBe(true);
  expect([memory.cursor, memory.findCell("us1")?.httpAddress, memory.isComplete]).toEqual(["", "", true]);
});

test("a copy of the version before gives back what it has", async () => {
  await writeBefore("c1");
  const { memory, context } = create();
  expect(await loadDiskCopy(context)).toBe(true);
  expect([held(memory), memory.cursor, memory.isComplete]).toEqual([["7:acme@us1:12"], "", true]);
});

test.each<[string, (copy: Buffer) => Buffer]>([
  ["one bit of a route is wrong", (copy) => (copy.writeUInt8(copy.readUInt8(30) ^ 4, 30), copy)],
  ["it is of a later version", (copy) => (copy.write("CWROUTE3", 0, "latin1"), copy)],
  ["the end is missing", (copy) => copy.subarray(0, copy.length - 7)],
  ["it is empty", () => Buffer.alloc(0)],
  ["it is something else", () => Buffer.from("x".repeat(200))],
])("a copy is refused when %s, and nothing of it is in memory", async (_what, damage) => {
  await write(create(TEXTS).memory);
  await writeFile(path, damage(await readFile(path)));
  const { memory, context, metrics, lines } = create();
  expect(await loadDiskCopy(context)).toBe(false);
  expect([held(memory), memory.cursor, memory.isComplete]).toEqual([[], "", false]);
  expect(await metrics.value("cellway_locator_disk_loads_total", { outcome: "refused" })).toBe(1);
  expect(lines.join("")).toContain("is not used");
});

/** Enough for several pieces, with records of every length across their boundaries. */
const MANY = Array.from({ length: 2_000 }, (_, index) => {
  const id = 2n ** 60n + BigInt(index);
  const text = `${"ü".repeat(index % 110)}-${index}`;
  return index % 3 === 0 ? `${text}>${id}:${index + 1}` : `${id}:${text}@us${1 + (index % 2)}:${index + 2 ** 40}`;
});

test("a copy of many pieces gives back everything", async () => {
  expect(await write(create(MANY).memory)).toBeGreaterThan(3 * PIECE_BYTES);
  const { memory, context } = create();
  expect(await loadDiskCopy(context)).toBe(true);
  expect(held(memory)).toEqual(MANY.toSorted());
});

test("a copy that is cut at the boundary of any piece, or beside it, is refused, and nothing of it is in memory", async () => {
  const whole = await write(create(MANY).memory);
  const copy = await readFile(path);
  const boundaries = Array.from({ length: Math.floor(copy.length / PIECE_BYTES) }, (_, n) => (n + 1) * PIECE_BYTES);
  // Where the footer, its length and the digest begin, too.
  for (const end of [...boundaries, copy.indexOf('\0{"localities"') + 1, copy.length - 36, copy.length - 32])
    for (const length of [end - 1, end, end + 1]) {
      await writeFile(path, copy.subarray(0, length));
      const { memory, context, metrics } = create();
      expect(await loadDiskCopy(context)).toBe(false);
      expect([held(memory), memory.cursor, memory.isComplete]).toEqual([[], "", false]);
      expect(await metrics.value("cellway_locator_disk_loads_total", { outcome: "refused" })).toBe(1);
    }
  expect(whole).toBe(copy.length);
});

test("a copy whose checksum is right is refused when its records do not end, and nothing of it is in memory", async () => {
  await write(create(MANY).memory);
  const copy = await readFile(path);
  const footerAt = copy.indexOf('\0{"localities"');
  const body = Buffer.concat([copy.subarray(0, footerAt), copy.subarray(footerAt + 1, -32)]);
  await writeFile(path, Buffer.concat([body, createHash("sha256").update(body).digest()]));
  const { memory, context, metrics } = create();
  expect(await loadDiskCopy(context)).toBe(false);
  expect([held(memory), memory.listCells(), memory.isComplete]).toEqual([[], [], false]);
  expect(await metrics.value("cellway_locator_disk_loads_total", { outcome: "refused" })).toBe(1);
});

test("a copy is, byte for byte, what the versions before read and wrote", async () => {
  await write(create(["#key>7:15", "9007199254740993:grüße@us1:9007199254740991"]).memory);
  const copy = await readFile(path);
  const alias = "0303 0000 0f00000000000000 0700000000000000 6b6579";
  const organization = "0107 0000 ffffffffffff1f00 0100000000002000 6772c3bcc39f65";
  const records = Buffer.from(`${alias}${organization}00`.replaceAll(" ", ""), "hex");
  const head = Buffer.concat([Buffer.from("CWROUTE2"), records]);
  expect(copy.subarray(0, head.length).toString("hex")).toBe(head.toString("hex"));
});

test("of two records of one organization in a copy the newer one holds, whichever comes first", async () => {
  for (const records of [
    ["0c", "0d"],
    ["0d", "0c"],
  ]) {
    await write(create(["7:acme@us1:12"]).memory);
    const copy = await readFile(path);
    const record = (epoch: string) => Buffer.from(`01040000${epoch}000000000000000700000000000000`, "hex");
    const parts = records.flatMap((epoch) => [record(epoch), Buffer.from(epoch === "0d" ? "new1" : "old1")]);
    const body = Buffer.concat([copy.subarray(0, 8), ...parts, copy.subarray(copy.indexOf('\0{"localities"'), -32)]);
    await writeFile(path, Buffer.concat([body, createHash("sha256").update(body).digest()]));
    const { memory, context } = create();
    expect(await loadDiskCopy(context)).toBe(true);
    expect(held(memory)).toEqual(["7:new1@us1:13"]);
  }
});

test("a copy of other localities is refused", async () => {
  await write(create(TEXTS).memory);
  expect(await loadDiskCopy(create([], ["us"]).context)).toBe(false);
});

test("a copy that is given up leaves the one before, whole (defect 6)", async () => {
  await write(create(["1:before@us1:1"]).memory);
  const controller = new AbortController();
  const many = Array.from({ length: 5_000 }, (_, index) => `${index + 1}:slug-${index}@us1:${index + 1}`);
  const slow = write(create(many).memory, { bytesPerSecondMax: 1_000, signal: controller.signal });
  await until(() => true);
  controller.abort();
  expect(await slow).toBeUndefined();
  const { memory, context } = create();
  await loadDiskCopy(context);
  expect(held(memory)).toEqual(["1:before@us1:1"]);
});

test("what changes while a copy is written is made good by going on from its cursor", async () => {
  const many = Array.from({ length: 9_000 }, (_, index) => `${index + 1}:slug-${index}@us1:${index + 1}`);
  const { memory } = create(many);
  const writing = write(memory);
  const changes = [
    routes(["1:slug-0@us2:10001", "9000-:10002"], { cursor: "c2" }),
    routes(["9999:slug-8999@de1:10003", "2:renamed@us1:10004", "2000-:10005"], { cursor: "c3" }),
  ];
  for (const change of changes) memory.apply(change);
  await writing;
  const { memory: read, context } = create();
  await loadDiskCopy(context);
  expect(read.cursor).toBe("c1");
  for (const change of changes) read.apply(change);
  expect(held(read)).toEqual(held(memory));
});

test("no more is written in a second than may be", async () => {
  const many = Array.from({ length: 4_000 }, (_, index) => `${index + 1}:slug-${index}@us1:${index + 1}`);
  const startedAt = performance.now();
  const bytes = (await write(create(many).memory, { bytesPerSecondMax: 1_000_000 })) ?? 0;
  expect(performance.now() - startedAt).toBeGreaterThan(0.9 * (bytes / 1_000));
});

test("the copy follows the memory, is not written without a change, and waits for a snapshot to end", async () => {
  const { memory, context, metrics } = create(["1:first@us1:1"]);
  const written = () => metrics.value("cellway_locator_disk_writes_total", { outcome: "ok" });
  const keeper = keepDiskCopy({ ...context, pauseMs: 1 });
  const readBack = async () => {
    const { memory: read, context: other } = create();
    await loadDiskCopy(other);
    return held(read).join(" ");
  };
  await untilAsync(async () => (await readBack()) === "1:first@us1:1");
  memory.apply(routes(["1:first@us2:2"]));
  await untilAsync(async () => (await readBack()) === "1:first@us2:2");
  await untilAsync(async () => (await written()) === 2);
  const [begin, page, end] = snapshot(["2:second@us1:3"]);
  if (begin === undefined || page === undefined || end === undefined) throw new Error("there is no snapshot");
  memory.apply(begin);
  memory.apply(page);
  expect(await readBack()).toBe("1:first@us2:2");
  memory.apply(end);
  await untilAsync(async () => (await readBack()) === "2:second@us1:3");
  await keeper.stop();
  expect(await written()).toBe(3);
  expect(keeper.completeUntilMs).toBe(NOW_MS);
  expect(await readdir(folder)).toEqual(["routes"]);
});

test("a folder that is not there costs a log line and no start, and is counted (defect 6)", async () => {
  const { context, metrics } = create(["1:first@us1:1"]);
  const keeper = keepDiskCopy({ ...context, path: join(folder, "missing", "routes"), pauseMs: 1 });
  await untilAsync(async () => (await metrics.value("cellway_locator_disk_writes_total", { outcome: "failed" })) > 0);
  await keeper.stop();
});

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error("it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
