import { expect, test } from "@jest/globals";
import { formatDuration, parseDurationMs } from "./duration.js";
import { UsageError } from "./errors.js";

test.each([
  ["250", 250],
  ["250ms", 250],
  ["30s", 30_000],
  ["10m", 600_000],
  ["1h", 3_600_000],
  [" 5s ", 5_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDurationMs(text, "--ttl", 3_600_000)).toBe(ms);
});

test.each(["", "0", "-1s", "1.5s", "1d", "s", "2h", "3600001", "1e3", "10 m"])(
  "%j is refused, with the option, the value and the rule",
  (text) => {
    expect(() => parseDurationMs(text, "--ttl", 3_600_000)).toThrow(UsageError);
    expect(() => parseDurationMs(text, "--ttl", 3_600_000)).toThrow(
      `--ttl ${text}: must be a duration such as 250ms, 30s or 10m, of 1ms to 1h.`,
    );
  },
);

test("a duration is written in the largest unit that is exact", () => {
  expect([1, 1_500, 90_000, 3_600_000].map(formatDuration)).toEqual(["1ms", "1500ms", "90s", "1h"]);
});
