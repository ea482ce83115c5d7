import type { JsonObject } from "@bufbuild/protobuf";
import { expect, test } from "@jest/globals";
import { describeContract } from "./contract-digest.js";
import { createTestFile, need } from "./test-support.js";

/** The digest of two services of one file, after a change. */
function digestOf(change: { field?: JsonObject; method?: JsonObject } = {}, isReversed = false): string {
  const method = {
    name: "Get",
    inputType: ".test.Item",
    outputType: ".test.Item",
    options: { "[cellway.contract.v1.method]": { allowedCallers: ["CALLER_CELL"] } },
    ...change.method,
  };
  const serviceOf = (name: string) => ({
    name,
    options: { "[cellway.contract.v1.service]": { key: name.toLowerCase(), localMode: "SILO_MODE_CONTROL" } },
    method: [method],
  });
  const field = { name: "cell", number: 1, label: "LABEL_OPTIONAL", type: "TYPE_STRING", ...change.field };
  const file = createTestFile({
    name: "digest.test.proto",
    messageType: [{ name: "Item", field: [field] }],
    service: [serviceOf("First"), serviceOf("Second")],
  });
  const services = ["First", "Second"].map((name) => need(file.getService(`test.${name}`)));
  return describeContract(isReversed ? services.reverse() : services).digest;
}

test("the digest of the same contract is the same, in whatever order its services were added", () => {
  expect(digestOf()).toMatch(/^[0-9a-f]{16}$/);
  expect(digestOf({}, true)).toBe(digestOf());
});

test.each<[string, Parameters<typeof digestOf>[0]]>([
  ["a field has another name", { field: { name: "cells" } }],
  ["a field has another number", { field: { number: 2 } }],
  ["a field has another type", { field: { type: "TYPE_BYTES" } }],
  ["a field is deprecated", { field: { options: { deprecated: true } } }],
  ["a method has another name", { method: { name: "Find" } }],
  ["a method answers as a stream", { method: { serverStreaming: true } }],
  ["a method may be called by others", { method: { options: { "[cellway.contract.v1.method]": {} } } }],
])("the digest differs when %s", (_what, change) => {
  expect(digestOf(change)).not.toBe(digestOf());
});
