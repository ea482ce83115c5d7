import { describe, expect, it } from "@jest/globals";
import { createCellSilo, createControlSilo, createMonolithSilo, isLocalTo } from "./silo.js";

describe("what is local to a silo", () => {
  it.each([
    [createControlSilo(), true, false],
    [createCellSilo("us1"), false, true],
    [createMonolithSilo(["us1", "de1"]), true, true],
  ])("%j", (silo, control, cell) => {
    expect(isLocalTo(silo, "CONTROL")).toBe(control);
    expect(isLocalTo(silo, "CELL")).toBe(cell);
  });

  it("no organization lives in control, those of one cell in a cell, all in a monolith", () => {
    expect(createControlSilo().cells).toEqual([]);
    expect(createCellSilo("us1").cells).toEqual(["us1"]);
    expect(createMonolithSilo(["us1", "de1"]).cells).toEqual(["us1", "de1"]);
  });

  it("a monolith does not change when the list that it was made from does", () => {
    const cells = ["us1"];
    const silo = createMonolithSilo(cells);
    cells.push("de1");
    expect(silo.cells).toEqual(["us1"]);
  });
});
