import { type Edit } from "../test-support.js";
import { type Change, describeChanges } from "./test-support.js";

/** A field of the request with rules, written in place of another. */
function withRules(declaration: string): Edit {
  return ["  int64 count = 4;", `  int64 count = 4;\n  ${declaration}`];
}

/** A row in which a field's rules change and nothing else. */
function rules(what: string, from: string, to: string, says?: RegExp): Change {
  const change = { what, old: [withRules(from)], now: [[from, to]] as const };
  return says === undefined ? change : { ...change, rule: "FIELD_RULES_NO_TIGHTEN", says };
}

const IMPORT = 'import "cellway/contract/v1/options.proto";';
const V = "(buf.validate.field)";

const REQUIRED: Change[] = [
  {
    what: "a field becomes required",
    now: [["int64 count = 4;", `int64 count = 4 [${V}.required = true];`]],
    rule: "FIELD_NO_ADD_REQUIRED",
    says: /count became required.*old caller → new server.*keep it optional.*refuse its absence in the implementation/,
  },
  {
    what: "a required field is added",
    now: [withRules(`string more = 20 [${V}.required = true];`)],
    rule: "FIELD_NO_ADD_REQUIRED",
    says: /more is new, and its rules demand a value/,
  },
  ...[
    `string more = 20 [${V}.string.min_len = 1];`,
    `string more = 20 [${V}.string.email = true];`,
    `string more = 20 [${V}.string.pattern = "^a+$"];`,
    `int64 more = 20 [${V}.int64.gt = 0];`,
    `int32 more = 20 [${V}.int32 = {in: [1, 2]}];`,
    `Kind more = 20 [${V}.enum = {not_in: [0]}];`,
    `bool more = 20 [${V}.bool.const = true];`,
    `bytes more = 20 [${V}.bytes.len = 32];`,
    `repeated string more = 20 [${V}.repeated.min_items = 1];`,
    `map<string, string> more = 20 [${V}.map.min_pairs = 1];`,
    `double more = 20 [${V}.double.gte = 0.5];`,
    `string more = 20 [${V}.cel = {id: "x", message: "x", expression: "this != ''"}];`,
  ].map(
    (field): Change => ({
      what: `a field is added that cannot be left out: ${field}`,
      now: [withRules(field)],
      rule: "FIELD_NO_ADD_REQUIRED",
      says: /more is new, and its rules demand a value/,
    }),
  ),
  ...[
    `string more = 20 [${V}.string.max_len = 10];`,
    `string more = 20 [${V}.string.pattern = "^a*$"];`,
    `optional string more = 20 [${V}.string.min_len = 1];`,
    `string more = 20 [${V}.string.min_len = 1, ${V}.ignore = IGNORE_IF_ZERO_VALUE];`,
    `string more = 20 [${V}.required = true, ${V}.ignore = IGNORE_ALWAYS];`,
    `int64 more = 20 [${V}.int64.gte = 0];`,
    `Kind more = 20 [${V}.enum.defined_only = true];`,
    `repeated string more = 20 [${V}.repeated = {max_items: 3, items: {string: {min_len: 1}}}];`,
  ].map((field): Change => ({ what: `a field is added that can be left out: ${field}`, now: [withRules(field)] })),
  {
    what: "a oneof becomes required",
    now: [["oneof key {", "oneof key {\n    option (buf.validate.oneof).required = true;"]],
    rule: "FIELD_NO_ADD_REQUIRED",
    says: /oneof key of GetThingRequest became required/,
  },
  {
    what: "a required oneof is added",
    now: [withRules("oneof other {\n    option (buf.validate.oneof).required = true;\n    string more = 20;\n  }")],
    rule: "FIELD_NO_ADD_REQUIRED",
    says: /oneof other of GetThingRequest is new and required/,
  },
  {
    what: "a field of what a request holds becomes required",
    now: [["message Part {\n  string label = 1;", `message Part {\n  string label = 1 [${V}.required = true];`]],
    rule: "FIELD_NO_ADD_REQUIRED",
    says: /Part\.label became required/,
  },
  {
    what: "a field of an outbox becomes required",
    now: [["string state = 1;", `string state = 1 [${V}.required = true];`]],
    rule: "FIELD_NO_ADD_REQUIRED",
    says: /Told\.state became required.*parked in an outbox/,
  },
  {
    what: "a field of a response becomes required: nobody validates those",
    now: [["string title = 1;", `string title = 1 [${V}.required = true];`]],
  },
  {
    what: "a field is no longer required",
    now: [[`,\n    ${V}.required = true\n  ];`, "\n  ];"]],
  },
];

const RULES: Change[] = [
  {
    what: "max_len falls",
    now: [["max_len = 64", "max_len = 32"]],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /name became stricter: the greatest len fell from 64 to 32.*let callers keep to the stricter one/,
  },
  { what: "max_len rises", now: [["max_len = 64", "max_len = 128"]] },
  { what: "max_len is dropped", now: [[` [${V}.string.max_len = 64]`, ""]] },
  { what: "max_len of a response falls", now: [["max_len = 10]", "max_len = 5]"]] },
  {
    what: "max_items falls",
    now: [["max_items = 10", "max_items = 9"]],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /the greatest items fell from 10 to 9/,
  },
  {
    what: "a range shrinks at both ends",
    now: [["    gte: 0\n    lte: 100", "    gte: 1\n    lt: 100"]],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /the least value rose from 0 to 1; the greatest value fell from 100 to 99/,
  },
  { what: "a range is said in another way", now: [["    gte: 0\n    lte: 100", "    gt: -1\n    lt: 101"]] },
  { what: "a range grows", now: [["    gte: 0\n    lte: 100", "    gte: -5\n    lte: 1000"]] },
  {
    what: "a range is turned inside out",
    now: [["    gte: 0\n    lte: 100", "    gte: 101\n    lte: -1"]],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /0 to 100 became 101 to -1/,
  },
  rules(
    "min_len appears",
    "optional string more = 20;",
    `optional string more = 20 [${V}.string.min_len = 2];`,
    /the least len rose from none to 2/,
  ),
  rules(
    "len becomes a range",
    `optional string more = 20 [${V}.string.len = 4];`,
    `optional string more = 20 [${V}.string = {min_len: 3, max_len: 5}];`,
  ),
  rules(
    "a range becomes len",
    `optional string more = 20 [${V}.string = {min_len: 3, max_len: 5}];`,
    `optional string more = 20 [${V}.string.len = 4];`,
    /the least len rose from 3 to 4; the greatest len fell from 5 to 4/,
  ),
  rules(
    "a pattern appears",
    "string more = 20;",
    `string more = 20 [${V}.string.pattern = "^a*$"];`,
    /pattern \^a\*\$ is new/,
  ),
  rules(
    "a pattern changes",
    `string more = 20 [${V}.string.pattern = "^a*$"];`,
    `string more = 20 [${V}.string.pattern = "^b*$"];`,
    /pattern changed from \^a\*\$ to \^b\*\$/,
  ),
  rules("a pattern is dropped", `string more = 20 [${V}.string.pattern = "^a*$"];`, "string more = 20;"),
  rules(
    "a format appears",
    "optional string more = 20;",
    `optional string more = 20 [${V}.string.uri = true];`,
    /uri is new/,
  ),
  rules(
    "in appears",
    "optional string more = 20;",
    `optional string more = 20 [${V}.string = {in: ["a", "b"]}];`,
    /only a, b is allowed now/,
  ),
  rules(
    "in loses a value",
    `optional string more = 20 [${V}.string = {in: ["a", "b"]}];`,
    `optional string more = 20 [${V}.string = {in: ["b"]}];`,
    /a is no longer allowed/,
  ),
  rules(
    "in gets a value, in another order",
    `optional string more = 20 [${V}.string = {in: ["a", "b"]}];`,
    `optional string more = 20 [${V}.string = {in: ["c", "b", "a"]}];`,
  ),
  rules(
    "const becomes in",
    `optional int32 more = 20 [${V}.int32.const = 1];`,
    `optional int32 more = 20 [${V}.int32 = {in: [2, 1]}];`,
  ),
  rules(
    "const changes",
    `optional int32 more = 20 [${V}.int32.const = 1];`,
    `optional int32 more = 20 [${V}.int32.const = 2];`,
    /1 is no longer allowed/,
  ),
  rules(
    "not_in gets a value",
    `int32 more = 20 [${V}.int32 = {not_in: [5]}];`,
    `int32 more = 20 [${V}.int32 = {not_in: [5, 6]}];`,
    /6 is refused now/,
  ),
  rules(
    "only defined values are allowed",
    "Kind more = 20;",
    `Kind more = 20 [${V}.enum.defined_only = true];`,
    /defined_only is new/,
  ),
  rules(
    "values have to be unique",
    `repeated string more = 20 [${V}.repeated.max_items = 9];`,
    `repeated string more = 20 [${V}.repeated = {max_items: 9, unique: true}];`,
    /unique is new/,
  ),
  rules(
    "what a list holds becomes stricter",
    `repeated string more = 20 [${V}.repeated.items.string.max_len = 9];`,
    `repeated string more = 20 [${V}.repeated.items.string.max_len = 8];`,
    /items: the greatest len fell from 9 to 8/,
  ),
  rules(
    "the keys of a map become stricter",
    `map<string, string> more = 20 [${V}.map.keys.string.max_len = 9];`,
    `map<string, string> more = 20 [${V}.map.keys.string.max_len = 8];`,
    /keys: the greatest len/,
  ),
  rules(
    "bytes become fewer",
    `bytes more = 20 [${V}.bytes.max_len = 9];`,
    `bytes more = 20 [${V}.bytes.max_len = 8];`,
    /the greatest len fell/,
  ),
  rules(
    "a float's end is excluded",
    `double more = 20 [${V}.double.lte = 1.5];`,
    `double more = 20 [${V}.double.lt = 1.5];`,
    /from 1\.5 to 1\.5 \(excluded\)/,
  ),
  rules(
    "a CEL rule appears",
    "optional string more = 20;",
    `optional string more = 20 [${V}.cel = {id: "x", message: "x", expression: "this != 'a'"}];`,
    /the CEL rule this != 'a' is new/,
  ),
  rules(
    "a CEL rule gets another message",
    `optional string more = 20 [${V}.cel = {id: "x", message: "x", expression: "this != 'a'"}];`,
    `optional string more = 20 [${V}.cel = {id: "x", message: "no a", expression: "this != 'a'"}];`,
  ),
  rules(
    "the zero value is heeded",
    `string more = 20 [${V}.string.min_len = 1, ${V}.ignore = IGNORE_IF_ZERO_VALUE];`,
    `string more = 20 [${V}.string.min_len = 1];`,
    /hold for the zero value too/,
  ),
  rules(
    "rules are heeded again",
    `optional string more = 20 [${V}.string.max_len = 1, ${V}.ignore = IGNORE_ALWAYS];`,
    `optional string more = 20 [${V}.string.max_len = 1];`,
    /the greatest len fell from none to 1/,
  ),
  rules(
    "rules are no longer heeded",
    `string more = 20 [${V}.string.max_len = 9];`,
    `string more = 20 [${V}.string.max_len = 1, ${V}.ignore = IGNORE_ALWAYS];`,
  ),
  {
    what: "a duration gets shorter",
    old: [
      [IMPORT, `${IMPORT}\nimport "google/protobuf/duration.proto";`],
      withRules(`google.protobuf.Duration wait = 20 [${V}.duration.lte = {seconds: 2, nanos: 5}];`),
    ],
    now: [["lte = {seconds: 2, nanos: 5}", "lte = {seconds: 2}"]],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /the greatest value fell from 2000000005 to 2000000000/,
  },
  {
    what: "a message gets a CEL rule",
    now: [
      [
        "message PutThingRequest {",
        'message PutThingRequest {\n  option (buf.validate.message).cel = {id: "x", message: "x", expression: "this.slug != \'a\'"};',
      ],
    ],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /The rules of PutThingRequest became stricter: the CEL rule this\.slug != 'a' is new/,
  },
  {
    what: "at most one of two fields may be set",
    now: [
      [
        "message GetThingRequest {",
        'message GetThingRequest {\n  option (buf.validate.message).oneof = {fields: ["slug", "name"]};',
      ],
    ],
    rule: "FIELD_RULES_NO_TIGHTEN",
    says: /one of slug, name is new/,
  },
];

describeChanges("what is required", REQUIRED);
describeChanges("rules", RULES);
