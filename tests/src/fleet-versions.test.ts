import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { addRelease, readReleases } from "cellway/dist/releases.js";
import { joinOldProcess, runIn } from "./fleet-commands.js";
import { MODULES } from "./modules.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
let fleet: Fleet;
/** A source tree with the releases 0.1.0, 0.2.0 and 0.3.0. */
let tree: string;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, network: "sockets", version: "0.3.0" });
}, 60_000);
afterAll(() => fleet?.stop());
beforeEach(async () => {
  tree = await mkdtemp(join(tmpdir(), "cellway-tree-"));
  await cp(join(ROOT, "proto/releases"), join(tree, "proto/releases"), { recursive: true });
  for (const version of ["0.2.0", "0.3.0"]) {
    if (readReleases(tree).some((release) => release.version === version)) continue;
    addRelease(tree, { version, commit: COMMIT }, new Uint8Array([1]));
  }
});
afterEach(() => rm(tree, { recursive: true, force: true }));

const versions = async (cwd = tree) => {
  const { code, out } = await runIn(fleet, ["fleet", "versions", "--json"], cwd);
  return { code, ...(JSON.parse(out) as { silos: object[]; remarks: string[]; failures: { silo: string }[] }) };
};
const retire = (version: string, ...more: string[]) =>
  runIn(fleet, ["release", "retire", version, ...more], join(tree, "proto"));
const kept = () => readReleases(tree).map(({ version }) => version);

/** Another process of us1, while `work` runs. */
async function withOld(version: string, work: () => Promise<void>): Promise<void> {
  const old = joinOldProcess(fleet, "us1", { version });
  await old.start();
  try {
    await work();
  } finally {
    await old.stop();
  }
}

describe("cellway fleet versions", () => {
  test("says which release and contract every process of every silo runs", async () => {
    const { code, silos, remarks } = await versions();
    expect({ code, remarks }).toEqual({ code: 0, remarks: [] });
    const contract = (name: string) => fleet.silos.get(name)?.rpc.contractDigest();
    expect(silos).toMatchObject(
      ["control", "de1", "us1", "us2"].map((silo) => ({
        silo,
        processes: [{ silo, version: "0.3.0", pid: process.pid, contract: contract(silo) }],
      })),
    );
    const health = await (await fetch(`${fleet.cell("us1").httpAddress}/healthz`)).json();
    expect(health).toMatchObject({ version: "0.3.0", contract: contract("us1") });
  });

  test("remarks on a silo of several releases, and on releases whose contracts are not kept", async () => {
    await withOld("0.2.5", async () => {
      const { remarks } = await versions();
      expect(remarks).toEqual([
        "us1 runs several releases: 0.2.5, 0.3.0.",
        "0.2.5 is not in proto/releases, which has 0.1.0, 0.2.0, 0.3.0: changes are not checked against it.",
      ]);
      expect((await versions("/nowhere")).remarks).toEqual(["us1 runs several releases: 0.2.5, 0.3.0."]);
      expect((await runIn(fleet, ["fleet", "versions"])).out).toMatch(/^us1 +\S+:\d+ +0\.2\.5 +0123456789abcdef /m);
    });
    await withOld("0.3.0", async () => {
      expect((await versions()).remarks).toEqual([
        "Processes of 0.3.0 in us1 serve different contracts: they were built from different sources.",
      ]);
    });
  });

  test("names a silo that does not answer, and fails", async () => {
    await fleet.stopSilo("us2");
    try {
      const { code, silos, failures } = await versions();
      expect(code).toBe(1);
      expect(silos).toHaveLength(3);
      expect(failures).toMatchObject([{ silo: "us2" }]);
    } finally {
      await fleet.restart("us2");
    }
  });
});

describe("cellway release retire", () => {
  test("removes a release of which no process runs", async () => {
    const { code, out } = await retire("0.2.0");
    expect({ code, out }).toEqual({ code: 0, out: "0.2.0 is retired: commit the change of proto/releases." });
    expect(kept()).toEqual(["0.1.0", "0.3.0"]);
    expect(await readdir(join(tree, "proto/releases"))).not.toContain("0.2.0.binpb");
  });

  test("refuses while a process runs it, and names it", async () => {
    await withOld("0.2.0", async () => {
      const { code, err } = await retire("0.2.0");
      expect(code).toBe(1);
      expect(err).toMatch(/0\.2\.0 still runs: us1 \S+:\d+\.\n0\.2\.0 was not retired\./);
      expect(kept()).toContain("0.2.0");
    });
    expect((await retire("0.3.0")).err).toMatch(/control \S+:\d+, de1 /);
    expect(kept()).toContain("0.3.0");
  });

  test("refuses while a process runs that does not know its release", async () => {
    await withOld("unknown", async () => {
      expect((await retire("0.2.0")).err).toMatch(/0\.2\.0 still runs: us1 \S+:\d+ \(unknown\)\./);
      expect(kept()).toContain("0.2.0");
    });
  });

  test("refuses while a silo does not answer", async () => {
    await fleet.stopSilo("us2");
    try {
      const { code, err } = await retire("0.2.0");
      expect(code).toBe(1);
      expect(err).toContain("us2 did not answer");
      expect(kept()).toContain("0.2.0");
    } finally {
      await fleet.restart("us2");
    }
  });

  test("refuses a release that cannot report itself, unless it is forced, and one that there is not", async () => {
    const { code, err } = await retire("0.1.0");
    expect(code).toBe(1);
    expect(err).toContain("0.1.0 does not report itself");
    expect(await retire("0.1.0", "--force")).toMatchObject({ code: 0 });
    expect(kept()).toEqual(["0.2.0", "0.3.0"]);
    expect(await retire("0.1.0")).toMatchObject({ code: 2 });
    expect(await runIn(fleet, ["release", "retire", "0.2.0"])).toMatchObject({ code: 2 });
  });
});
