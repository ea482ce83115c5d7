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
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray([...history, ...history], { minLength: 2 * history.length }), (order) => {
      memory = new RouteMemory({ now: () => NOW_MS });
      apply(...order);
      expect(held(memory)).toEqual(["3:b@us1:8", "4:c@us1:7"]);
    }),
  );
});
