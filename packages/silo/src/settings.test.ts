import { describe, expect, it } from "@jest/globals";
import { ALIASES } from "./aliases.js";
import { ConfigError } from "./errors.js";
import { createSettingsReader } from "./settings.js";

function createReader(env: Record<string, string | undefined>) {
  const warnings: string[] = [];
  return { reader: createSettingsReader(env, (message) => warnings.push(message)), warnings };
}

describe("settings", () => {
  it("are read by their name, without a warning", () => {
    const { reader, warnings } = createReader({ CELLWAY_CELL: "us1", CELLWAY_PORT: "8001" });
    expect(reader.read("CELLWAY_CELL")).toBe("us1");
    expect(reader.read("CELLWAY_PORT")).toBe("8001");
    expect(warnings).toEqual([]);
  });

  it.each(ALIASES.filter(({ kind }) => kind === "SETTING").map(({ current, old }) => [current, old] as const))(
    "%s is still read from %s, with one warning that names both",
    (name, old) => {
      const { reader, warnings } = createReader({ [old]: "us1" });
      expect([reader.read(name), reader.read(name), reader.readOrThrow(name, "must be set")]).toEqual([
        "us1",
        "us1",
        "us1",
      ]);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain(name);
      expect(warnings[0]).toContain(old);
    },
  );

  it("warn once for each old name", () => {
    const { reader, warnings } = createReader({ CELLWAY_REGION: "us1", CELLWAY_REGION_CONFIG: "cells.json" });
    reader.read("CELLWAY_CELL");
    reader.read("CELLWAY_TOPOLOGY");
    reader.read("CELLWAY_CELL");
    expect(warnings).toHaveLength(2);
  });

  it("that are set under an old name are told of, whatever else is set", () => {
    const seen: string[] = [];
    const env = { CELLWAY_CELL: "us1", CELLWAY_REGION: "us1", CELLWAY_TOPOLOGY: "cells.json" };
    const reader = createSettingsReader(
      env,
      () => {},
      (old) => void seen.push(old),
    );
    for (const name of Object.keys(env)) reader.read(name);
    expect(seen).toEqual(["CELLWAY_REGION"]);
  });

  it("may be set under both names to the same value", () => {
    const { reader } = createReader({ CELLWAY_CELL: "us1", CELLWAY_REGION: "us1" });
    expect(reader.read("CELLWAY_CELL")).toBe("us1");
  });

  it("are refused when the old name says something else: nobody guesses", () => {
    const { reader } = createReader({ CELLWAY_CELL: "us1", CELLWAY_REGION: "de1" });
    expect(() => reader.read("CELLWAY_CELL")).toThrow(ConfigError);
    expect(() => reader.read("CELLWAY_CELL")).toThrow(/CELLWAY_REGION.*"de1".*differs from CELLWAY_CELL/);
  });

  it("are unset when they are empty", () => {
    const { reader, warnings } = createReader({ CELLWAY_CELL: "", CELLWAY_REGION: "", CELLWAY_PORT: "" });
    expect(reader.read("CELLWAY_CELL")).toBeUndefined();
    expect(reader.read("CELLWAY_PORT")).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it("fall back to the old name when the new one is empty, and the other way round", () => {
    expect(createReader({ CELLWAY_CELL: "", CELLWAY_REGION: "us1" }).reader.read("CELLWAY_CELL")).toBe("us1");
    expect(createReader({ CELLWAY_CELL: "us1", CELLWAY_REGION: "" }).reader.read("CELLWAY_CELL")).toBe("us1");
  });

  it("that are needed and not set are refused with their name and what they are for", () => {
    const { reader } = createReader({ CELLWAY_CELL: "" });
    expect(() => reader.readOrThrow("CELLWAY_CELL", "must name this cell")).toThrow(
      "environment variable CELLWAY_CELL = (not set): must name this cell",
    );
  });
});
