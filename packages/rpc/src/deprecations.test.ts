import { type DescMessage, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { expect, test } from "@jest/globals";
import { deprecatedResponseFieldsOf, deprecatedSubjectsOf, deprecationsOf } from "./deprecations.js";
import { createTestFile, need } from "./test-support.js";

const OLD: JsonObject = { options: { deprecated: true } };
const field = (name: string, number: number, more: JsonObject = {}) => ({
  name,
  jsonName: name,
  number,
  label: "LABEL_OPTIONAL",
  type: "TYPE_STRING",
  ...more,
});
const messageField = (name: string, number: number, typeName: string, more: JsonObject = {}) =>
  field(name, number, { type: "TYPE_MESSAGE", typeName: `.test.${typeName}`, ...more });
const method = (name: string, inputType: string, options: JsonObject = {}) => ({
  name,
  inputType: `.test.${inputType}`,
  outputType: ".test.Answer",
  options: { "[cellway.contract.v1.method]": { allowedCallers: ["CALLER_CELL"] }, ...options },
});
const service = (name: string, methods: JsonObject[], options: JsonObject = {}) => ({
  name,
  options: { "[cellway.contract.v1.service]": { key: name.toLowerCase(), localMode: "SILO_MODE_CONTROL" }, ...options },
  method: methods,
});

const FILE = createTestFile({
  name: "deprecations.test.proto",
  messageType: [
    {
      name: "Request",
      field: [
        field("name", 1),
        field("old", 2, OLD),
        field("maybe", 3, { proto3Optional: true, oneofIndex: 1, type: "TYPE_INT32", ...OLD }),
        field("many", 4, { label: "LABEL_REPEATED", ...OLD }),
        field("one", 5, { oneofIndex: 0 }),
        messageField("other", 6, "Deep", { oneofIndex: 0 }),
        messageField("list", 7, "Deep", { label: "LABEL_REPEATED" }),
        messageField("map", 8, "Request.MapEntry", { label: "LABEL_REPEATED" }),
        messageField("again", 9, "Request"),
      ],
      oneofDecl: [{ name: "choice" }, { name: "_maybe" }],
      nestedType: [
        { name: "MapEntry", field: [field("key", 1), messageField("value", 2, "Deep")], options: { mapEntry: true } },
      ],
    },
    { name: "Deep", field: [field("gone", 1, OLD), field("stays", 2)] },
    { name: "Plain", field: [field("name", 1), messageField("again", 2, "Plain")] },
    { name: "Answer", field: [field("old", 1, OLD)] },
  ],
  service: [
    service("Items", [
      method("Get", "Request"),
      method("Find", "Plain"),
      method("Leave", "Plain", { deprecated: true }),
      method("Part", "Deep", { deprecated: true }),
    ]),
    service("Past", [method("Get", "Plain")], { deprecated: true }),
  ],
});
const methodOf = (name: string, of = "Items") =>
  need(FILE.getService(`test.${of}`)?.methods.find((candidate) => candidate.name === name));
const REQUEST: DescMessage = need(FILE.getMessage("test.Request"));

test("every deprecated method and every deprecated field that a request can set is found, of responses none", () => {
  const services = ["Items", "Past"].map((name) => need(FILE.getService(`test.${name}`)));
  expect(
    deprecatedSubjectsOf(services)
      .map(({ kind, subject }) => `${kind} ${subject}`)
      .toSorted(),
  ).toEqual([
    "FIELD test.Deep.gone",
    "FIELD test.Request.many",
    "FIELD test.Request.maybe",
    "FIELD test.Request.old",
    "METHOD items.Leave",
    "METHOD items.Part",
    "METHOD past.Get",
  ]);
});

test("the deprecated fields of responses are found by themselves", () => {
  expect([...deprecatedResponseFieldsOf([need(FILE.getService("test.Items"))])]).toEqual(["test.Answer.old"]);
});

test("of a method of which nothing is deprecated there is nothing to look at", () => {
  expect(deprecationsOf(methodOf("Find"))).toBeUndefined();
  expect(deprecationsOf(methodOf("Leave"))?.fields).toEqual([]);
});

test.each<[string, JsonValue, string[]]>([
  ["nothing that is deprecated", { name: "a", one: "b", list: [{ stays: "c" }], again: { name: "d" } }, []],
  ["a field to its default", { old: "", maybe: 0 }, ["test.Request.maybe"]],
  ["a field", { old: "a" }, ["test.Request.old"]],
  ["a list", { many: ["a"] }, ["test.Request.many"]],
  ["a field in a oneof's message", { other: { gone: "a" } }, ["test.Deep.gone"]],
  ["a field in the second message of a list", { list: [{}, { gone: "a" }] }, ["test.Deep.gone"]],
  ["a field in a map's message", { map: { k: { gone: "a" } } }, ["test.Deep.gone"]],
  ["fields further down in the same message", { again: { again: { old: "a" } } }, ["test.Request.old"]],
])("a request that sets %s", (_what, json, expected) => {
  const names = new Set<string>();
  deprecationsOf(methodOf("Get"))?.collectUsed(fromJson(REQUEST, json), names);
  expect([...names]).toEqual(expected);
});
