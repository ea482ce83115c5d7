import { readdirSync, readFileSync } from "node:fs";
import { migrationSetsOf } from "@cellway/host";
import { afterEach, expect, test } from "@jest/globals";
import { createEmptyDatabase } from "./lone-silo.js";
import { MODULES } from "./modules.js";
import type { ReleaseSchema } from "./schema-catalog.js";
import { migrateUnderWrites } from "./under-writes.js";

const RELEASES = new URL("../../proto/releases/", import.meta.url);
const VERSIONS = Object.keys(JSON.parse(readFileSync(new URL("releases.json", RELEASES), "utf8")) as object);

/** Tables with the one row that there can be, or whose rows are made by migrations only. */
const CLOSED = /\.(outbox_lease|outbox_report|outbox_tracked|route_log)$/;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function readRelease(version: string): ReleaseSchema {
  return JSON.parse(readFileSync(new URL(`${version}.schema.json`, RELEASES), "utf8")) as ReleaseSchema;
}

test("there is a schema for each live release, and for no other", () => {
  const files = readdirSync(RELEASES).filter((name) => name.endsWith(".schema.json"));
  expect(files.toSorted()).toEqual(VERSIONS.map((version) => `${version}.schema.json`).toSorted());
});

test.each(VERSIONS)(
  "every migration since %s is applied to a database with rows while that release writes: no write fails or waits long, no row changes",
  async (version) => {
    const database = await createEmptyDatabase();
    cleanups.push(() => database.drop());
    const sets = await migrationSetsOf(MODULES);
    const release = readRelease(version);
    const result = await migrateUnderWrites({ url: database.url, sets, release });
    const newer = sets.flatMap(({ service, localMode, migrations }) =>
      migrations
        .filter(({ phase, name }) => {
          const known = release.migrations[`${localMode.toLowerCase()}/${service}`] ?? [];
          return phase === "expand" && !known.includes(name);
        })
        .map(({ name }) => `${service}/${name}`),
    );
    expect(result).toMatchObject({ refused: [], failures: [], changed: [], empty: [] });
    expect(result.onlyUpdated.filter((table) => !CLOSED.test(table))).toEqual([]);
    expect(result.applied.toSorted()).toEqual(newer.toSorted());
    expect(result.statements).toBeGreaterThan(Object.keys(release.tables).length);
  },
  180_000,
);
