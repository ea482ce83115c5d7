import { expect, test } from "@jest/globals";
import { HeldStreams } from "./held-streams.js";

const DUE = { state: "SLOW", attempts: 0, error: "", waitMs: 0 } as const;

function hold(held: HeldStreams, destination: string, count: number) {
  return Array.from({ length: count }, (_, index) =>
    held.hold({ destination, scope: 1, shardId: String(index), lane: 1 }, DUE),
  );
}

test("a stream that rows are always on their way to is due: those that it has can be told", () => {
  const held = new HeldStreams(() => 0);
  const [stream] = hold(held, "us1", 1);
  if (stream !== undefined) stream.moving = 1;
  expect(held.listDue(10, () => 10)).toEqual([stream]);
});

test("streams that are due again and again leave the others their turn", () => {
  const held = new HeldStreams(() => 0);
  const streams = hold(held, "us1", 7);
  const given = [0, 1, 2].flatMap(() => held.listDue(3, () => 10));
  expect(new Set(given)).toEqual(new Set(streams));
});

test("a destination without room takes nobody's turn", () => {
  const held = new HeldStreams(() => 0);
  hold(held, "us1", 100);
  const others = hold(held, "de1", 2);
  expect(held.listDue(5, (name) => (name === "us1" ? 1 : 5)).filter(({ id }) => id.destination === "de1")).toEqual(
    others,
  );
  expect(held.listDue(5, (name) => (name === "us1" ? 0 : 5))).toHaveLength(2);
});
