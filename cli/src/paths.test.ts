import { expect, test } from "@jest/globals";
import { quoteForShell, shortenPath } from "./paths.js";

test("a path is relative below the current folder, else absolute", () => {
  expect(shortenPath("/home/ada/project/.cellway", "/home/ada/project")).toBe(".cellway");
  expect(shortenPath("/home/ada/project", "/home/ada/project")).toBe(".");
  expect(shortenPath("/tmp/data", "/home/ada/project")).toBe("/tmp/data");
});

test("a word of a command is quoted only when a shell would read more into it", () => {
  expect(["/tmp/data-1", "my data", "it's"].map(quoteForShell)).toEqual(["/tmp/data-1", "'my data'", `'it'\\''s'`]);
});
