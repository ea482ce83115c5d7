import { gzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { askRouter, keysOf, startIngest, useConfigStage } from "./ingest-router-stage.js";
import { createTestProject } from "./ingest-stage.js";
import { until } from "./organizations.js";
import { announce, type CellListener, startCellListener } from "./router-stage.js";

const stage = useConfigStage();

describe("defect 22: a cell that does wrong makes its keys pending, never absent, and no other cell's", () => {
  const faults: readonly [string, CellListener["listener"]][] = [
    ["is silent", () => {}],
    ["resets the connection", (req) => void req.socket.resetAndDestroy()],
    ["answers 500", (_req, res) => void res.writeHead(500).end("{}")],
    ["answers 401", (_req, res) => void res.writeHead(401).end("{}")],
    ["answers 204", (_req, res) => void res.writeHead(204).end()],
    ["answers no JSON", (_req, res) => void res.end("<html>")],
    ["answers a list", (_req, res) => void res.end("[]")],
    ["answers without configurations", (_req, res) => void res.end('{"pending":[]}')],
    ["answers configurations that are a list", (_req, res) => void res.end('{"configs":[]}')],
    ["answers pending keys that are no list", (_req, res) => void res.end('{"configs":{},"pending":{}}')],
    [
      "answers compressed",
      (_req, res) => void res.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync('{"configs":{}}')),
    ],
    [
      "breaks off in the middle",
      (_req, res) => {
        res.writeHead(200, { "content-length": 100 }).write('{"configs":{}');
        setTimeout(() => res.destroy(), 10);
      },
    ],
    [
      "crawls",
      (_req, res) => {
        res.write("{");
        const timer = setInterval(() => res.write(" "), 20);
        res.on("close", () => clearInterval(timer));
      },
    ],
    [
      "says unchanged of a key without a revision",
      (_req, res) => void res.end(JSON.stringify({ configs: {}, unchanged: [stage().us2.publicKey] })),
    ],
    [
      "says something of another cell's key",
      (_req, res) =>
        void res.end(
          JSON.stringify({ configs: { [stage().us1.publicKey]: "stolen" }, pending: [stage().us2.publicKey] }),
        ),
    ],
  ];

  test.each(faults)("one that %s", async (_what, listener) => {
    const { router, us1, us2, misbehave } = stage();
    await misbehave(listener);
    const startedAt = performance.now();
    const answer = await askRouter(router, { publicKeys: [us2.publicKey, us1.publicKey] });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(keysOf(answer)).toEqual({ configs: [us1.publicKey], pending: [us2.publicKey], unchanged: [] });
    expect(answer.configs[us1.publicKey]).toMatchObject({ projectId: Number(us1.projectId) });
  });

  test("one that nobody listens for, and one without an address", async () => {
    const { fleet, router, us1, us2 } = stage();
    await announce(fleet, "us2", "http://127.0.0.1:9");
    const ask = () => askRouter(router, { publicKeys: [us2.publicKey, us1.publicKey] });
    const isPending = async () => (await ask()).pending.includes(us2.publicKey);
    await until("it is asked in vain", isPending);
    await announce(fleet, "us2", "");
    expect(keysOf(await ask())).toEqual({ configs: [us1.publicKey], pending: [us2.publicKey], unchanged: [] });
  });

  test("one that has as much in flight as it may, at once", async () => {
    const { fleet, us1, us2, wrong, misbehave } = stage();
    await misbehave(() => {});
    const narrow = await startIngest(fleet, { limits: { inFlightMax: 1 }, configLimits: { deadlineMs: 2_000 } });
    await narrow.whenComplete;
    const held = askRouter(narrow, { publicKeys: [us2.publicKey] });
    await until("the cell has the first question", () => wrong.asked.length > 0);
    const startedAt = performance.now();
    const answer = await askRouter(narrow, { publicKeys: [us2.publicKey, us1.publicKey] });
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(keysOf(answer)).toEqual({ configs: [us1.publicKey], pending: [us2.publicKey], unchanged: [] });
    expect((await held).pending).toEqual([us2.publicKey]);
    await narrow.stop();
  });

  test("one that is left alone because it fails again and again, and only for so long", async () => {
    const { fleet, router, us2, wrong, misbehave } = stage();
    await misbehave((_req, res) => void res.writeHead(500).end());
    const ask = () => askRouter(router, { publicKeys: [us2.publicKey] });
    for (let asked = 0; asked < 30; asked += 1) expect((await ask()).pending).toEqual([us2.publicKey]);
    expect(wrong.asked.length).toBeLessThan(30);
    await announce(fleet, "us2", fleet.cell("us2").httpAddress);
    await until("it is asked again", async () => us2.publicKey in (await ask()).configs);
  });
});

test("defect 22: whatever a cell answers, each key is in exactly one list, and other cells' keys are as they are", async () => {
  const { router, us1, us2, misbehave } = stage();
  let said = "";
  await misbehave((_req, res) => void res.end(said));
  const lists = fc.array(fc.oneof(fc.constantFrom(us1.publicKey, us2.publicKey), fc.jsonValue()), { maxLength: 4 });
  const maps = fc.dictionary(fc.constantFrom(us1.publicKey, us2.publicKey, "__proto__"), fc.jsonValue());
  const part = fc.oneof(lists, maps, fc.jsonValue());
  const answers = fc.record({ configs: part, pending: part, unchanged: part, global: part }, { requiredKeys: [] });
  const question = { publicKeys: [us1.publicKey, us2.publicKey], revisions: ["old", "old"], global: true };
  await fc.assert(
    fc.asyncProperty(fc.oneof(answers, fc.jsonValue()), async (answer) => {
      said = JSON.stringify(answer);
      const { status, configs, pending, unchanged } = await askRouter(router, question);
      const of = (key: string) => [Object.hasOwn(configs, key), pending.includes(key), unchanged.includes(key)];
      const countOf = (key: string) => of(key).filter(Boolean).length;
      // A cell that answers well may say that it does not have a key; control says that nobody else has it.
      const isWell = isObject(answer) && isObject(answer["configs"]);
      return status === 200 && countOf(us1.publicKey) === 1 && (countOf(us2.publicKey) === 1 || isWell);
    }),
    { numRuns: 200 },
  );
});

test("what a cell that answers well does not have is absent: its cell says so, and the directory says it is nobody else's", async () => {
  const { router, us1, us2, misbehave } = stage();
  await misbehave((_req, res) => void res.end('{"configs":{}}'));
  const answer = await askRouter(router, { publicKeys: [us2.publicKey, us1.publicKey] });
  expect(keysOf(answer)).toEqual({ configs: [us1.publicKey], pending: [], unchanged: [] });
});

test("a key that a cell does not have any more because its organization moved is pending", async () => {
  const { fleet, router, misbehave } = stage();
  const moved = await createTestProject(fleet, "us2");
  const control = fleet.control.database("CONTROL");
  const sql = "update control.organization_mapping set cell_name = 'us1' where organization_id = $1";
  let isMoved = false;
  await misbehave((_req, res) => {
    const answer = () => void res.end('{"configs":{}}');
    // Committed while the cell has the question: the router cannot know it from the feed.
    if (isMoved) void control.query(sql, [moved.organization.id]).then(answer);
    else answer();
  });
  isMoved = true;
  const answer = await askRouter(router, { publicKeys: [moved.publicKey] });
  expect(keysOf(answer)).toEqual({ configs: [], pending: [moved.publicKey], unchanged: [] });
});

test("defect 25: the global configuration is the first cell's by name, whoever answers first, and the next one's when that is away", async () => {
  const { fleet, router, us2 } = stage();
  const [first, second] = [await startCellListener("de1"), await startCellListener("us1")];
  first.listener = (_req, res) => void setTimeout(() => res.end('{"configs":{},"global":{"of":"de1"}}'), 100);
  second.listener = (_req, res) => void res.end('{"configs":{},"global":{"of":"us1"}}');
  await announce(fleet, "de1", first.address);
  await announce(fleet, "us1", second.address);
  const ask = () => askRouter(router, { global: true, publicKeys: [us2.publicKey] });
  await until("the router knows", async () => ((await ask()).global as { of?: string }).of !== undefined);
  for (let asked = 0; asked < 5; asked += 1) expect((await ask()).global).toEqual({ of: "de1" });
  first.listener = () => {};
  const answer = await ask();
  expect(answer).toMatchObject({ global: { of: "us1" }, global_status: "ready" });
  expect(Object.keys(answer.configs)).toEqual([us2.publicKey]);
  await Promise.all([first.stop(), second.stop()]);
});

test("defect 26: a cell has the whole time from the question on, also when another one failed at once", async () => {
  const { fleet, router, us1, us2, misbehave } = stage();
  await misbehave((req) => void req.socket.destroy());
  const slow = await startCellListener("us1");
  const config = { projectId: 1 };
  slow.listener = (_req, res) =>
    void setTimeout(() => res.end(JSON.stringify({ configs: { [us1.publicKey]: config } })), 1_000);
  await announce(fleet, "us1", slow.address);
  const ask = () => askRouter(router, { publicKeys: [us2.publicKey, us1.publicKey] });
  await until("the router knows", async () => slow.asked.length > 0 || (await ask()).status === 0);
  expect(keysOf(await ask())).toEqual({ configs: [us1.publicKey], pending: [us2.publicKey], unchanged: [] });
  slow.listener = () => {};
  const startedAt = performance.now();
  expect((await ask()).pending.toSorted()).toEqual([us1.publicKey, us2.publicKey].toSorted());
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(1_400);
  expect(tookMs).toBeLessThan(3_000);
  await slow.stop();
});

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
