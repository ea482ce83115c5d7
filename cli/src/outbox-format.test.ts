import { create } from "@bufbuild/protobuf";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { OutboxPauseSchema } from "@cellway/gen/cellway/outbox/v1/operator";
import { expect, test } from "@jest/globals";
import { describePause, formatAge, formatPauses, nameOfCategory, readSelector } from "./outbox-format.js";

test.each([
  [0, "0ms"],
  [850.4, "850ms"],
  [12_900, "12s"],
  [190_000, "3m 10s"],
  [7_200_000, "2h"],
  [7_205_000, "2h"],
  [187_200_000, "2d 4h"],
])("%d ms is %s", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});

test("a category has the short name of its message; one that the silo does not know its number alone", () => {
  expect(nameOfCategory(1, "cellway.directory.v1.ProjectKeyReplica")).toBe("ProjectKeyReplica (1)");
  expect(nameOfCategory(900, "")).toBe("900");
});

test("a pause says what it is about, for people and as JSON; one of everything says so", () => {
  const selector = { destination: "us1", scope: OutboxScope.ORGANIZATION, shardId: "7", category: "1" };
  const narrow = create(OutboxPauseSchema, { selector, ageMs: 61_000.4 });
  expect(formatPauses([{ silo: "control", pause: narrow }])).toBe(
    "SILO     PAUSED                                                    FOR\n" +
      "control  destination us1, category 1, scope organization, shard 7  1m 1s",
  );
  const expected = { destination: "us1", scope: "organization", shard: "7", category: 1, ageMs: 61_000 };
  expect(describePause(narrow)).toEqual(expected);
  const wide = create(OutboxPauseSchema, { selector: {}, ageMs: 1 });
  expect(formatPauses([{ silo: "us1", pause: wide }])).toMatch(/us1 +everything +1ms/);
  const nothing = { destination: null, scope: null, shard: null, category: null, ageMs: 1 };
  expect(describePause(wide)).toEqual(nothing);
});

test("options select what they name, and nothing else", () => {
  expect(readSelector({})).toEqual({ category: "", destination: "" });
  expect(readSelector({ scope: "user", shard: "12", category: "1", destination: "us1" })).toEqual({
    category: "1",
    destination: "us1",
    scope: OutboxScope.USER,
    shardId: "12",
  });
});
