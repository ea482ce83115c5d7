import { declaration } from "../test-support.js";
import { type Change, describeChanges } from "./test-support.js";

const FIELDS: Change[] = [
  {
    what: "fields are added: optional ones, lists, messages, and one of an enum",
    now: [
      [
        "  Part part = 12;",
        "  Part part = 12;\n  string more = 20;\n  optional int32 most = 21;\n  repeated Part list = 22;\n  Kind other = 23;",
      ],
    ],
  },
  {
    what: "a field is renamed",
    now: [["int64 count = 4;", "int64 total = 4;"]],
    rule: "FIELD_NO_RENAME",
    says: /GetThingRequest\.count was renamed to total.*update masks.*add a field beside it/,
  },
  {
    what: "a field gets another JSON name",
    now: [["int64 count = 4;", 'int64 count = 4 [json_name = "n"];']],
    rule: "FIELD_NO_RENAME",
    says: /changed its JSON name from "count" to "n"/,
  },
  {
    what: "int64 becomes string",
    now: [["int64 count = 4;", "string count = 4;"]],
    rule: "FIELD_NO_RETYPE",
    says: /count changed from int64 to string.*add a field beside it/,
  },
  {
    what: "int64 becomes int32",
    now: [["int64 count = 4;", "int32 count = 4;"]],
    rule: "FIELD_NO_RETYPE",
    says: /count changed from int64 to int32/,
  },
  {
    what: "a message becomes another",
    now: [["  Part part = 12;", "  Thing part = 12;"]],
    rule: "FIELD_NO_RETYPE",
    says: /Part to cellway\..*Thing/,
  },
  {
    what: "the values of a map become others",
    now: [["map<string, Part>", "map<string, Thing>"]],
    rule: "FIELD_NO_RETYPE",
    says: /map<string, .*Part> to map<string, .*Thing>/,
  },
  {
    what: "a field becomes a list",
    now: [["int64 count = 4;", "repeated int64 count = 4;"]],
    rule: "FIELD_NO_RETYPE",
    says: /from int64 to repeated int64/,
  },
  {
    what: "a field gets another number",
    now: [["int64 count = 4;", "int64 count = 40;"]],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /count \(number 4\) is gone/,
  },
  {
    what: "a field gets presence",
    now: [["int64 count = 4;", "optional int64 count = 4;"]],
    rule: "FIELD_SAME_PRESENCE",
    says: /from a field without presence to a field with presence/,
  },
  {
    what: "a field loses presence",
    now: [["optional string note = 5;", "string note = 5;"]],
    rule: "FIELD_SAME_PRESENCE",
    says: /old caller → new server: what was sent as set to its zero value/,
  },
  {
    what: "a field leaves its oneof",
    now: [["    string second = 11;\n  }\n", "  }\n  string second = 11;\n"]],
    rule: "FIELD_SAME_PRESENCE",
    says: /from a member of oneof key/,
  },
  {
    what: "a field enters a oneof",
    now: [
      ["  optional string note = 5;\n", ""],
      ["    string second = 11;", "    string second = 11;\n    string note = 5;"],
    ],
    rule: "FIELD_SAME_PRESENCE",
    says: /to a member of oneof key/,
  },
  {
    what: "a oneof gets another member",
    now: [["string second = 11;", "string second = 11;\n    string third = 30;"]],
  },
];

const REMOVALS: Change[] = [
  { what: "a field is deprecated", now: [["int64 count = 4;", "int64 count = 4 [deprecated = true];"]] },
  {
    what: "a field is removed that was not deprecated",
    now: [["  int64 count = 4;\n", ""]],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /count \(number 4\) is gone, and was not deprecated.*mark it `deprecated = true`/,
  },
  {
    what: "a field is removed and reserved that was not deprecated",
    now: [["  int64 count = 4;\n", '  reserved 4;\n  reserved "count";\n']],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /was not deprecated/,
  },
  {
    what: "a field is removed and reserved that was deprecated",
    now: [["  string old_note = 6 [deprecated = true];\n", '  reserved 6;\n  reserved "old_note";\n']],
  },
  {
    what: "a field is removed that was deprecated, and nothing is reserved",
    now: [["  string old_note = 6 [deprecated = true];\n", ""]],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /not reserved.*`reserved 6;` and `reserved "old_note";`/,
  },
  {
    what: "a field is removed that was deprecated, and only its number is reserved",
    now: [["  string old_note = 6 [deprecated = true];\n", "  reserved 6;\n"]],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /not reserved/,
  },
  {
    what: "a field is removed and reserved that was deprecated, but which an old server demands",
    now: [
      [
        "  string needed = 7 [\n    deprecated = true,\n    (buf.validate.field).required = true\n  ];\n",
        '  reserved 7;\n  reserved "needed";\n',
      ],
    ],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /new caller → old server: old servers refuse what comes without it.*drop the rules that demand a value/,
  },
  {
    what: "all fields of a oneof are removed and reserved that were deprecated, but an old server demands one",
    old: [
      ["oneof key {", "oneof key {\n    option (buf.validate.oneof).required = true;"],
      ["string first = 10;", "string first = 10 [deprecated = true];"],
      ["string second = 11;", "string second = 11 [deprecated = true];"],
    ],
    now: [
      [
        `  oneof key {
    option (buf.validate.oneof).required = true;
    string first = 10 [deprecated = true];
    string second = 11 [deprecated = true];
  }
`,
        '  reserved 10, 11;\n  reserved "first", "second";\n',
      ],
    ],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /first .* its rules demanded a value.*new caller → old server/,
  },
  {
    what: "a field of a oneof is removed and reserved that was deprecated, and another is left",
    old: [
      ["oneof key {", "oneof key {\n    option (buf.validate.oneof).required = true;"],
      ["string first = 10;", "string first = 10 [deprecated = true];"],
    ],
    now: [
      ["    string first = 10 [deprecated = true];\n", ""],
      ["message GetThingRequest {", 'message GetThingRequest {\n  reserved 10;\n  reserved "first";'],
    ],
  },
  {
    what: "a field of a response is removed that was not deprecated",
    now: [["  Thing thing = 1;\n", '  reserved 1;\n  reserved "thing";\n']],
    rule: "FIELD_NO_DELETE_UNLESS_DEPRECATED",
    says: /what it still reads is never filled/,
  },
  {
    what: "what was reserved is used again",
    now: [["reserved 90, 95 to 99;", "reserved 90, 95 to 97, 99;"]],
    rule: "RESERVED_NO_DELETE",
    says: /no longer reserves 95 to 99.*keep the reservation for good/,
  },
  {
    what: "a reserved name is given up",
    now: [['reserved "gone", "lost";', 'reserved "gone";']],
    rule: "RESERVED_NO_DELETE",
    says: /no longer reserves "lost"/,
  },
  {
    what: "reserved numbers are said in another way",
    now: [["reserved 90, 95 to 99;", "reserved 89 to 96, 97 to 100;"]],
  },
];

const TYPES: Change[] = [
  { what: "an enum gets a value", now: [["KIND_NEW = 1;", "KIND_NEW = 1;\n  KIND_NEWER = 7;"]] },
  {
    what: "an enum value is removed that was not deprecated",
    now: [["  KIND_NEW = 1;\n", '  reserved 1;\n  reserved "KIND_NEW";\n']],
    rule: "ENUM_VALUE_NO_DELETE_UNLESS_DEPRECATED",
    says: /KIND_NEW \(1\) .* is gone, and was not deprecated.*can still arrive.*let nobody send or store it/,
  },
  {
    what: "an enum value is removed that was deprecated, and nothing is reserved",
    now: [["  KIND_OLD = 2 [deprecated = true];\n", ""]],
    rule: "ENUM_VALUE_NO_DELETE_UNLESS_DEPRECATED",
    says: /`reserved 2;` and `reserved "KIND_OLD";`/,
  },
  {
    what: "an enum value is removed and reserved that was deprecated",
    now: [["  KIND_OLD = 2 [deprecated = true];\n", '  reserved 2;\n  reserved "KIND_OLD";\n']],
  },
  {
    what: "an enum value is renamed",
    now: [["KIND_NEW = 1;", "KIND_FRESH = 1;"]],
    rule: "ENUM_VALUE_NO_RENAME",
    says: /KIND_NEW \(1\) .* was renamed to KIND_FRESH/,
  },
  {
    what: "a message is removed that a deprecated method used, and the method is there",
    now: [
      [declaration("message OldPart"), ""],
      ["  OldPart part = 2;", "  Part part = 2;"],
    ],
    rule: "FIELD_NO_RETYPE",
    says: /OldPart to .*Part/,
  },
  {
    what: "a message is renamed",
    now: [
      ["message Thing {", "message Item {"],
      ["  Thing thing = 1;", "  Item thing = 1;"],
    ],
    rule: "TYPE_NO_DELETE_WHILE_USED",
    also: ["FIELD_NO_RETYPE"],
    says: /Thing is gone, and something that was not deprecated used it.*deprecate the methods and fields that use it/,
  },
];

describeChanges("fields", FIELDS);
describeChanges("removed fields", REMOVALS);
describeChanges("types", TYPES);
