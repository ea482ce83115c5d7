import { expect, test } from "@jest/globals";
import { readRouteKey } from "./route-key.js";

test.each([
  ["slug:acme", { kind: "slug", value: "acme" }],
  ["id:4503599627370497", { kind: "id", value: "4503599627370497" }],
  ["project-key:0123456789abcdef0123456789abcdef", { kind: "projectKey", value: "0123456789abcdef0123456789abcdef" }],
  ["organization.GetOrganization", undefined],
  ["toString:x", undefined],
])("%s is read as %j", (text, expected) => {
  expect(readRouteKey(text)).toEqual(expected);
});

test.each(["slug:", `slug:${"a".repeat(51)}`, "id:acme", "id:0", "project-key:0123"])(
  "%s is refused: nothing has such a key",
  (text) => {
    expect(() => readRouteKey(text)).toThrow("nothing has such a key");
  },
);
