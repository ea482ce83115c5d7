import { beforeEach, expect, test } from "@jest/globals";
import fc from "fast-check";
import { RouteMemory } from "./route-memory.js";
import { held, message, NOW_MS, routes, snapshot } from "./test-support.js";

let memory: RouteMemory;
beforeEach(() => {
  memory = new RouteMemory({ now: () => NOW_MS });
});

const apply = (...texts: string[]) => {
  for (const text of texts) memory.apply(routes([text]));
};

test("of two statements the newer one holds, whichever comes first, deletes too", () => {
  apply("1:acme@us1:5", "1:acme@us2:4", "2-:9", "2:late@us1:8", "3:gone@us1:2", "3-:3", "3:gone@us1:2");
  expect(held(memory)).toEqual(["1:acme@us1:5"]);
  apply("2:back@us1:10");
  expect(held(memory)).toEqual(["1:acme@us1:5", "2:back@us1:10"]);
});

test("a slug that is used again leads to its new organization, also when the delete of the old one comes last", () => {
  apply("1:acme@us1:1", "2:acme@us2:3", "1-:2");
  expect(held(memory)).toEqual(["2:acme@us2:3"]);
  apply("1:acme@us1:1");
  expect(held(memory)).toEqual(["2:acme@us2:3"]);
});

test("a snapshot ends with everything gone that it did not name, but for what changed meanwhile", () => {
  for (const one of snapshot(["1:stays@us1:1", "2:goes@us1:2"])) memory.apply(one);
  const [begin, page, end] = snapshot(["1:stays@us1:1"], "c2");
  if (begin === undefined || page === undefined || end === undefined) throw new Error("there is no snapshot");
  memory.apply(begin);
  expect([memory.cursor, held(memory).length]).toEqual(["", 2]);
  memory.apply(routes(["3:new@us2:7"]));
  memory.apply(page);
  memory.apply(end);
  expect(held(memory)).toEqual(["1:stays@us1:1", "3:new@us2:7"]);
  expect(memory.cursor).toBe("c2");
});

test("a snapshot of another feed makes older epochs good", () => {
  for (const one of snapshot(["1:acme@us1:50"], "c", "one")) memory.apply(one);
  apply("2-:60");
  for (const one of snapshot(["1:acme@us2:3", "2:back@us1:4"], "c", "other")) memory.apply(one);
  expect(held(memory)).toEqual(["1:acme@us2:3", "2:back@us1:4"]);
});

test("a message of a later version is passed over", () => {
  memory.apply(message(undefined, "c9"));
  memory.apply(message({ case: "routes", value: { routes: [{ cellName: "us1", epoch: "1" }] } }));
  expect([memory.cursor, held(memory)]).toEqual(["c9", []]);
});

test("an alias and a project key lead where the organization is, whichever comes first", () => {
  apply("old>1:2", "#k>1:3");
  expect(memory.table.findSlug("old")).toBe(0);
  apply("1:acme@us1:1");
  const { table } = memory;
  const home = table.findId("1");
  expect([table.findSlug("old"), table.findProjectKey("k")]).toEqual([home, home]);
  apply("1:acme@us2:4");
  expect(memory.cellNameAt(table.findSlug("old"))).toBe("us2");
  apply("old>-:5", "#k>-:6", "old>1:2", "#k>1:3");
  expect(held(memory)).toEqual(["1:acme@us2:4"]);
});

test("a snapshot ends with every alias and project key gone that it did not name", () => {
  for (const one of snapshot(["1:acme@us1:1", "old>1:2", "older>1:3", "#k>1:4", "#l>1:5"])) memory.apply(one);
  for (const one of snapshot(["1:acme@us1:1", "older>1:3", "#k>1:4"], "c2")) memory.apply(one);
  expect(held(memory)).toEqual(["#k>1:4", "1:acme@us1:1", "older>1:3"]);
});

test("any order of a history gives the same routes, however often its parts come", () => {
  // Epochs as the directory gives them: one for each change, in the order in which slugs change hands.
  const history = [
    "1:a@us1:1",
    "2:b@us2:2",
    "1:c@us1:3",
    "2:a@us2:4",
    "3:b@de1:5",
    "1-:6",
    "4:c@us1:7",
    "3:b@us1:8",
    "2-:9",
    // A rename: its slug is taken, becomes the organization's own, and the old one an alias, which is dropped.
    "d>3:10",
    "3:d@us1:11",
    "b>3:12",
    "d>-:13",
    "b>-:14",
    // Another takes it, and gives it up; the first has it back, and it is an alias again at the end.
    "b>4:15",
    "b>-:16",
    "b>3:17",
    "b>-:18",
    "3:b@us1:19",
    "d>3:20",
    "3:e@us1:21",
    "b>3:22",
    "#k>3:23",
    "#k>-:24",
    "#k>4:25",
    "#l>4:26",
    "#l>-:27",
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray([...history, ...history], { minLength: 2 * history.length }), (order) => {
      memory = new RouteMemory({ now: () => NOW_MS });
      apply(...order);
      expect(held(memory)).toEqual(["#k>4:25", "3:e@us1:21", "4:c@us1:7", "b>3:22", "d>3:20"]);
    }),
  );
});
