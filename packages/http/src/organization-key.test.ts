import { expect, test } from "@jest/globals";
import { parseOrganizationKey } from "./organization-key.js";

test.each([
  ["acme", { kind: "slug", value: "acme" }],
  ["a-1-b", { kind: "slug", value: "a-1-b" }],
  ["7", { kind: "id", value: "7" }],
  ["9223372036854775807", { kind: "id", value: "9223372036854775807" }],
])("%j is what an organization can be called by", (text, key) => {
  expect(parseOrganizationKey(text)).toEqual(key);
});

test.each(["", "0", "007", "9223372036854775808", "Acme", "a--b", "-a", "a_b", "a".repeat(51), "__proto__"])(
  "%j is what no organization is called by",
  (text) => {
    expect(parseOrganizationKey(text)).toBeUndefined();
  },
);
