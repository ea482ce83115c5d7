import { createDirectoryModule, createEdgeFeedKeys } from "@cellway/directory";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { RouteWriter } from "./route-writer.js";
import { type EdgeFeed, SynapseReader, type SynapseReaderOptions } from "./synapse-reader.js";

const KEY = "k".repeat(32);

let fleet: Fleet;
let writer: RouteWriter;

beforeAll(async () => {
  const edgeFeedKeys = createEdgeFeedKeys([KEY]);
  const others = MODULES.filter(({ name }) => name !== "directory");
  fleet = await startFleet({ modules: [createDirectoryModule({ edgeFeedKeys }), ...others] });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  await writer?.close();
  await fleet?.stop();
});
beforeEach(() => writer.clear());
afterEach(async () => {
  await writer.endTransactions();
  await writer.pool.query("update control.cell set locality = left(name, 2)");
});

function createReader(options: Partial<SynapseReaderOptions> = {}): SynapseReader {
  return new SynapseReader({ address: fleet.control.httpAddress, key: KEY, perPage: 3, ...options });
}

/** What the directory routes, as a reader that knows everything would hold it. */
async function routesOfDirectory(localities: readonly string[], feed: EdgeFeed): Promise<string[]> {
  const home = `join control.organization_mapping m using (organization_id)
    join control.cell c on c.name = m.cell_name where c.locality = any($1::text[])`;
  const organizations = `select m.organization_id::text as key, m.cell_name from control.organization_slug_reservation r ${home}
    union select r.slug, m.cell_name from control.organization_slug_reservation r ${home}`;
  const keys = `select k.public_key as key, m.cell_name from control.project_key_mapping k ${home}
    and not k.is_removed and k.public_key is not null`;
  const { rows } = await writer.pool.query<{ key: string; cell_name: string }>(
    feed === "org-cell-mappings" ? organizations : keys,
    [localities],
  );
  return rows.map(({ key, cell_name: cell }) => `${key}@${cell}`).toSorted();
}

const ALL = ["us", "de"];
const FEEDS = ["org-cell-mappings", "projectkey-cell-mappings"] as const;

/** Readers of both feeds, of everything and of each locality, that follow what is written. */
async function startReaders() {
  const readers = FEEDS.flatMap((feed) =>
    [undefined, ["us"], ["de"]].map((localities) => createReader({ feed, ...(localities && { localities }) })),
  );
  await Promise.all(readers.map((reader) => reader.load()));
  return {
    readers,
    agree: async (): Promise<void> => {
      await Promise.all(readers.map((reader) => reader.load()));
      for (const { routes, options } of readers) {
        const { localities = ALL, feed = "org-cell-mappings" } = options;
        expect({ feed, localities, routes }).toEqual({
          feed,
          localities,
          routes: await routesOfDirectory(localities, feed),
        });
      }
    },
  };
}

describe("a reader that does what Synapse does ends up with what the directory has, after", () => {
  test("a snapshot of several pages", async () => {
    for (let i = 0; i < 10; i += 1) {
      const id = await writer.insert(`org-${i}`, i % 3 === 0 ? "de1" : "us2");
      await writer.addAlias(id, `old-${i}`);
      await writer.addKey(id, String(i).repeat(32));
    }
    const { readers, agree } = await startReaders();
    expect(readers[0]?.pages).toBeGreaterThan(5);
    expect(readers[0]?.routes).toHaveLength(30);
    await agree();
  });

  test("creations, renames, ends of aliases, and slugs that are used again", async () => {
    const { readers, agree } = await startReaders();
    const id = await writer.insert("acme", "us1");
    await agree();
    await writer.renameKeeping(id, "apex");
    await agree();
    expect(readers[0]?.find("acme")).toBe("us1");
    await writer.dropAlias("acme");
    await agree();
    expect(readers[0]?.find("acme")).toBeUndefined();
    await writer.insert("acme", "us2");
    await agree();
    expect(readers[0]?.find("acme")).toBe("us2");
    expect(readers[0]?.find(id)).toBe("us1");
  });

  test("deletions, and the slug of one that is gone given to another in the same load", async () => {
    const gone = await writer.insert("acme", "us1");
    await writer.addKey(gone, "a".repeat(32));
    const { readers, agree } = await startReaders();
    expect(readers[3]?.find("a".repeat(32))).toBe("us1");
    await writer.remove(gone);
    await writer.insert("acme", "de1");
    await agree();
    expect(readers[0]?.find(gone)).toBeUndefined();
    expect(readers[0]?.find("acme")).toBe("de1");
    expect(readers[3]?.find("a".repeat(32))).toBeUndefined();
    // The reader of us has nothing of it, not even the old cell.
    expect(readers[1]?.find("acme")).toBeUndefined();
  });

  test("moves between cells, out of the locality and back, with aliases and keys", async () => {
    const id = await writer.insert("acme", "us1");
    await writer.addAlias(id, "old");
    for (let i = 0; i < 8; i += 1) await writer.addKey(id, String(i).repeat(32));
    const { readers, agree } = await startReaders();
    await writer.move(id, "us2");
    await agree();
    expect(readers[1]?.find("old")).toBe("us2");
    await writer.move(id, "de1");
    await agree();
    expect(readers[1]?.routes).toEqual([]);
    expect(readers[4]?.routes).toEqual([]);
    await writer.move(id, "us1");
    await agree();
    expect(readers[5]?.routes).toEqual([]);
  });

  test("a project key that is removed, replaced, and given to another organization", async () => {
    const id = await writer.insert("acme", "us1");
    const keyId = await writer.addKey(id, "a1");
    const { agree } = await startReaders();
    await writer.pool.query("update control.project_key_mapping set public_key = 'a2', version = 2");
    await agree();
    await writer.removeKey(keyId);
    await agree();
    await writer.addKey(await writer.insert("globex", "de1"), "a2");
    await agree();
  });

  test("a cell that moves to another locality, with all that lives in it", async () => {
    const id = await writer.insert("acme", "us2");
    await writer.addKey(id, "a1");
    await writer.insert("globex", "us1");
    const { readers, agree } = await startReaders();
    await writer.pool.query("update control.cell set locality = 'de' where name = 'us2'");
    await agree();
    expect(readers[1]?.find("acme")).toBeUndefined();
    expect(readers[2]?.find("acme")).toBe("us2");
  });

  test("changes that come while a load is under way", async () => {
    const ids = await Promise.all([0, 1, 2, 3, 4, 5, 6].map((i) => writer.insert(`org-${i}`, "us1")));
    let step = 0;
    const onPage = async () => {
      step += 1;
      if (step === 1) await writer.remove(ids[0] ?? "");
      if (step === 2) await writer.move(ids[6] ?? "", "us2");
      if (step === 3) await writer.insert("late", "us2");
    };
    const reader = createReader({ onPage });
    await reader.load();
    expect(step).toBeGreaterThan(3);
    expect(reader.routes).toEqual(await routesOfDirectory(ALL, "org-cell-mappings"));
  });
});

describe("a transaction that commits late", () => {
  test("is told by the load after its commit, though newer changes were told before", async () => {
    const { readers, agree } = await startReaders();
    const slow = await writer.begin();
    await writer.insert("slow", "us1", slow);
    await writer.insert("quick", "us2");
    await agree();
    expect(readers[0]?.find("quick")).toBe("us2");
    expect(readers[0]?.find("slow")).toBeUndefined();
    await agree();
    await slow.end("commit");
    await agree();
    expect(readers[0]?.find("slow")).toBe("us1");
  });

  test("and does so between two pages of one load is told by the next load", async () => {
    const reader = createReader();
    await reader.load();
    const slow = await writer.begin();
    await writer.insert("slow", "us1", slow);
    for (let i = 0; i < 5; i += 1) await writer.insert(`org-${i}`, "us1");
    let isCommitted = false;
    const onPage = async () => {
      if (!isCommitted) await slow.end("commit");
      isCommitted = true;
    };
    const again = createReader({ onPage });
    again.restore(reader.backup);
    await again.load();
    await again.load();
    expect(again.find("slow")).toBe("us1");
    expect(again.routes).toEqual(await routesOfDirectory(ALL, "org-cell-mappings"));
  });

  test("does not keep a moved cell's reader from coming to an end", async () => {
    await writer.insert("acme", "us2");
    const { agree } = await startReaders();
    const slow = await writer.begin();
    await writer.insert("slow", "us1", slow);
    await writer.pool.query("update control.cell set locality = 'de' where name = 'us2'");
    await agree();
    await slow.end("commit");
    await agree();
  });
});

describe("a reader whose cursor no longer holds is told everything again", () => {
  const cut = async () => {
    await fleet.control.tasks.runNow("directory.prune-route-log");
    await writer.pool.query("update control.route_log set pruned_id = settled_id");
  };

  test("after the log was cut: also what has left its localities, and keys that were removed", async () => {
    const left = await writer.insert("left", "us1");
    const keyId = await writer.addKey(left, "a1");
    await writer.addKey(left, "a2");
    const { readers, agree } = await startReaders();
    await writer.move(left, "de1");
    await writer.removeKey(keyId);
    await writer.insert("new", "us1");
    await cut();
    await agree();
    expect(readers[1]?.find("left")).toBeUndefined();
    expect(fleet.control.log.join("")).toContain("the cursor is older than the log");
  });

  test("after the database was put back to an earlier state", async () => {
    await writer.insert("acme", "us1");
    const { agree } = await startReaders();
    await writer.pool.query("select setval('control.route_change_id', nextval('control.route_change_id') + 1000)");
    await writer.insert("ahead", "us1");
    await agree();
    await writer.pool.query("update control.route_log set feed_id = gen_random_uuid()");
    await agree();
  });

  test("with other localities than before, as after a change of its configuration", async () => {
    await writer.insert("acme", "us1");
    await writer.insert("berlin", "de1");
    const before = createReader();
    await before.load();
    const reader = createReader({ localities: ["de"] });
    reader.restore(before.backup);
    await reader.load();
    expect(reader.routes).toEqual(await routesOfDirectory(["de"], "org-cell-mappings"));
  });

  test("with a cursor of Sentry's own control, as after a change of control", async () => {
    await writer.insert("acme", "us1");
    const reader = createReader();
    const cursor = Buffer.from(JSON.stringify({ id: "17", updated_at: 1_757_030_409 })).toString("base64");
    reader.restore({ map: new Map(), cells: new Map(), cursor });
    await reader.load();
    expect(reader.find("acme")).toBe("us1");
  });
});
