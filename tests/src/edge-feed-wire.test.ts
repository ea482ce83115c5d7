import { request } from "node:http";
import { createDirectoryModule, createEdgeFeedKeys, parseEdgeFeedKeys } from "@cellway/directory";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { RouteWriter } from "./route-writer.js";
import { type EdgeFeedBody, fetchEdgePage, SynapseReader, signEdgePath } from "./synapse-reader.js";

const KEY = "k".repeat(32);
const PATH = "/api/0/internal/org-cell-mappings/";

let fleet: Fleet;
let writer: RouteWriter;
const keys = createEdgeFeedKeys();

beforeAll(async () => {
  const others = MODULES.filter(({ name }) => name !== "directory");
  fleet = await startFleet({ modules: [createDirectoryModule({ edgeFeedKeys: keys }), ...others] });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});
beforeEach(async () => {
  keys.replace([KEY]);
  await writer.clear();
});

const options = (key = KEY) => ({ address: fleet.control.httpAddress, key });

async function read(cursor: string | null = null): Promise<EdgeFeedBody> {
  return (await (await fetchEdgePage(options(), cursor)).json()) as EdgeFeedBody;
}

async function statusOf(response: Promise<Response>): Promise<number> {
  return (await response).status;
}

test("a page is what Synapse parses: string ids, slug or publickey, cell; every cell with its locality", async () => {
  const id = await writer.insert("acme", "us1");
  const keyId = await writer.addKey(id, "a".repeat(32));
  const { data, metadata } = await read();
  expect(data).toEqual([{ id, slug: "acme", cell: "us1" }]);
  expect(metadata.cell_to_locality).toEqual({ us1: "us", us2: "us", de1: "de" });
  const response = await fetchEdgePage({ ...options(), feed: "projectkey-cell-mappings" }, null);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(((await response.json()) as EdgeFeedBody).data).toEqual([
    { id: keyId, publickey: "a".repeat(32), cell: "us1" },
  ]);
});

test("what is gone leads to a cell that does not exist", async () => {
  const id = await writer.insert("acme", "us1");
  const reader = new SynapseReader(options());
  await reader.load();
  await writer.remove(id);
  const { data } = await read(reader.backup.cursor);
  expect(data).toEqual([
    { id, slug: id, cell: "-" },
    { id: "0", slug: "acme", cell: "-" },
  ]);
});

test("cursors are base64 of JSON by which Synapse's store in a bucket tells the newer from the older", async () => {
  const parse = (text: string | null) =>
    JSON.parse(Buffer.from(text ?? "", "base64").toString()) as { id: string; updated_at: number };
  const reader = new SynapseReader(options());
  await reader.load();
  const first = reader.backup.cursor;
  await writer.insert("acme", "us1");
  await reader.load();
  const [older, newer] = [parse(first), parse(reader.backup.cursor)];
  expect(first).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
  expect(Number.isInteger(older.updated_at)).toBe(true);
  expect(newer.updated_at).toBeGreaterThanOrEqual(older.updated_at);
  expect(BigInt(newer.id) > BigInt(older.id)).toBe(true);
});

describe("nobody reads", () => {
  test("without a signature by a key, or with one of another path", async () => {
    const bad = ["", "Bearer x", `Signature synapse0:${"0".repeat(64)}`, "Signature synapse0:zz"];
    bad.push(signEdgePath(KEY, "/api/0/internal/projectkey-cell-mappings/"), signEdgePath("other".repeat(8), PATH));
    for (const authorization of bad)
      expect(await statusOf(fetchEdgePage(options(), null, { authorization }))).toBe(401);
    expect(await statusOf(fetchEdgePage(options(), null))).toBe(200);
  });

  test("while there is no key; both keys are good while one is replaced, and then the new one alone", async () => {
    const next = "n".repeat(32);
    keys.replace([]);
    const refused = await fetchEdgePage(options(), null);
    expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining("CELLWAY_EDGE_FEED_KEYS")]);
    keys.replace([next, KEY]);
    expect(await statusOf(fetchEdgePage(options(KEY), null))).toBe(200);
    expect(await statusOf(fetchEdgePage(options(next), null))).toBe(200);
    keys.replace([next]);
    expect(await statusOf(fetchEdgePage(options(KEY), null))).toBe(401);
    expect(await statusOf(fetchEdgePage(options(next), null))).toBe(200);
  });

  test("from a cell: the route belongs to control", async () => {
    expect(await statusOf(fetchEdgePage({ ...options(), address: fleet.cell("us1").httpAddress }, null))).toBe(404);
  });

  test("and no key is ever in the log", () => {
    expect(fleet.control.log.join("")).not.toContain(KEY);
  });
});

describe("a request that cannot be answered says which part, and what to do", () => {
  test.each([
    ["cursor", { cursor: "nonsense" }],
    ["cursor", { cursor: Buffer.from('{"id":"1","updated_at":1,"feed":"f"}').toString("base64") }],
    ["per_page", { per_page: "10001" }],
    ["per_page", { per_page: "0" }],
  ])("%s of %j", async (name, query) => {
    const url = new URL(
      `${PATH}?${new URLSearchParams(query as Record<string, string>).toString()}`,
      fleet.control.httpAddress,
    );
    const response = await fetch(url, { headers: { authorization: signEdgePath(KEY, PATH) } });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(`${name}: must be`)]);
  });

  test("a body, which the signature would have to cover", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const req = request(new URL(PATH, fleet.control.httpAddress), {
        method: "GET",
        headers: { authorization: signEdgePath(KEY, PATH), "content-length": 1 },
      });
      req.once("response", (res) => {
        res.resume();
        resolve(res.statusCode);
      });
      req.once("error", reject).end("x");
    });
    expect(status).toBe(400);
  });
});

test("a locality that does not exist routes nothing, and is warned of", async () => {
  await writer.insert("acme", "us1");
  const response = await fetchEdgePage({ ...options(), localities: ["uss"] }, null);
  expect(((await response.json()) as EdgeFeedBody).data).toEqual([]);
  expect(fleet.control.log.join("")).toContain('"unknown":["uss"]');
});

test("keys that are too short are refused without being shown", () => {
  expect(parseEdgeFeedKeys(`${KEY},\n${"n".repeat(32)}\n`, "a test")).toHaveLength(2);
  for (const text of ["", "short-secret", `${KEY} short-secret`]) {
    expect(() => parseEdgeFeedKeys(text, "a test")).toThrow(/a test/);
    expect(() => parseEdgeFeedKeys(text, "a test")).not.toThrow(/short-secret/);
  }
});
