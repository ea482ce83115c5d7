import { expect, test } from "@jest/globals";
import { chooseCell } from "./placement.js";

const REQUESTS = Array.from({ length: 10_000 }, (_, index) => `request-${index}`);
const ONE = { name: "us1", weight: 100 };
const TWO = { name: "us2", weight: 300 };
const THREE = { name: "us3", weight: 100 };

function shareOf(name: string, cells: readonly { name: string; weight: number }[]): number {
  return REQUESTS.filter((request) => chooseCell(cells, request)?.name === name).length / REQUESTS.length;
}

test("each cell gets its weight's share of requests, to within two percent of all", () => {
  const cells = [ONE, TWO, THREE];
  for (const { name, weight } of cells) expect(Math.abs(shareOf(name, cells) - weight / 500)).toBeLessThan(0.02);
});

test("the same request chooses the same cell, in whatever order the cells come", () => {
  for (const request of REQUESTS.slice(0, 100)) {
    expect(chooseCell([THREE, TWO, ONE], request)).toBe(chooseCell([ONE, TWO, THREE], request));
  }
});

test("a cell that comes takes its share from all others and moves nothing else", () => {
  const moved = REQUESTS.map((request) => [chooseCell([ONE, TWO], request), chooseCell([ONE, TWO, THREE], request)]);
  for (const [before, after] of moved) expect([before, THREE]).toContain(after);
  expect(moved.filter(([before, after]) => before !== after).length / REQUESTS.length).toBeCloseTo(0.2, 1);
});

test("the only cell gets everything, and without cells there is no choice", () => {
  expect(shareOf("us1", [ONE])).toBe(1);
  expect(chooseCell([], "request")).toBeUndefined();
});
