import { expect, test } from "@jest/globals";
import { followStopRequests } from "./stop-request.js";
import { createTestContext } from "./test-context.js";

test("a signal that comes twice at once is one request; one that comes later is another", () => {
  const ctx = createTestContext();
  const asked: string[] = [];
  let nowMs = 10_000;
  followStopRequests(
    ctx,
    ["SIGINT", "SIGTERM"],
    { onFirst: () => asked.push("first"), onAgain: () => asked.push("again") },
    () => nowMs,
  );
  ctx.send("SIGHUP");
  ctx.send("SIGINT");
  nowMs += 40;
  ctx.send("SIGTERM");
  expect(asked).toEqual(["first"]);
  nowMs += 2_000;
  ctx.send("SIGINT");
  expect(asked).toEqual(["first", "again"]);
});
