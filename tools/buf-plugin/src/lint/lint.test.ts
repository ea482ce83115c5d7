import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { RULES, type RuleId } from "../rules.js";
import { contractOf, type Edit, findingsOf, type Printed, withContracts } from "../test-support.js";

/** A row: what a contract says, and which rule refuses it with which words. */
interface Row {
  readonly what: string;
  readonly edits: readonly Edit[];
  readonly rule?: RuleId;
  readonly says?: RegExp;
}

const RESOLVE = '{by_organization_slug: "slug"}';
const PUT: Edit = ['resolve: {by_organization_slug: "slug"}\n', ""];
const CONTROL: Edit[] = [
  ["local_mode: SILO_MODE_CELL", "local_mode: SILO_MODE_CONTROL"],
  ['      resolve: {by_organization_id: "organization_id"}\n', ""],
  ['      resolve: {by_organization_slug: "slug"}\n', ""],
  ['      resolve: {by_cell_name: "cell"}\n', ""],
];

/** The response of GetThing with other fields, answered as absent. */
function absent(fields: string): Edit[] {
  return [
    ["timeout: {seconds: 10}", "absent_if_unmapped: true"],
    ["  Thing thing = 1;\n  string text = 2 [(buf.validate.field).string.max_len = 10];\n", fields],
  ];
}

/** PutThing with another resolver. */
function resolved(by: string, rule?: "RPC_STATES_POLICY", says?: RegExp): Row {
  const row = { what: `a resolver says ${by}`, edits: [[RESOLVE, `{${by}}`]] as Edit[] };
  return rule === undefined || says === undefined ? row : { ...row, rule, says };
}

/** PutThing with a public route. */
function routed(path: string, isRefused = false): Row {
  const edits: Edit[] = [
    [
      'import "cellway/contract/v1/options.proto";',
      'import "cellway/contract/v1/options.proto";\nimport "google/api/annotations.proto";',
    ],
    [
      "option idempotency_level = IDEMPOTENCY_UNKNOWN;",
      `option idempotency_level = IDEMPOTENCY_UNKNOWN;\n    option (google.api.http) = {${path}};`,
    ],
  ];
  const row = { what: `a public route of a cell method is ${path}`, edits };
  return isRefused
    ? {
        ...row,
        rule: "RPC_HTTP_ORGANIZATION",
        says: /does not carry the organization.*Put \{organization_id_or_slug\} or \{slug\}/,
      }
    : row;
}

const ROWS: Row[] = [
  { what: "the contract of the tables is right", edits: [] },
  {
    what: "a service states no key",
    edits: [['    key: "NAME"\n', ""]],
    rule: "SERVICE_STATES_POLICY",
    says: /must state key and local_mode/,
  },
  {
    what: "a service states no local mode",
    edits: [["    local_mode: SILO_MODE_CELL\n", ""]],
    rule: "SERVICE_STATES_POLICY",
    says: /must state key and local_mode/,
  },
  {
    what: "two services have one key",
    edits: [['key: "NAME"', 'key: "case0"']],
    rule: "SERVICE_KEY_UNIQUE",
    says: /has the key "case0", which is that of cellway\.case0/,
  },
  {
    what: "a cell method states no resolver",
    edits: [PUT],
    rule: "RPC_STATES_POLICY",
    says: /must state how its cell is resolved/,
  },
  resolved('by_organization_slug: "slog"', "RPC_STATES_POLICY", /slog, which is not a field of/),
  resolved(
    'by_organization_id: "slug"',
    "RPC_STATES_POLICY",
    /by_organization_id names slug, which is not a 64-bit field/,
  ),
  resolved('by_organization_id_attribute: "slug"', "RPC_STATES_POLICY", /takes a path/),
  resolved("single_organization: true"),
  {
    what: "a control method states a resolver",
    edits: CONTROL.slice(0, 3),
    rule: "RPC_STATES_POLICY",
    says: /a method of a control service needs no resolver/,
  },
  { what: "control methods state none", edits: CONTROL },
  {
    what: "callers and local_only contradict each other",
    edits: [["timeout: {seconds: 10}", "local_only: true"]],
    rule: "RPC_STATES_POLICY",
    says: /contradict each other/,
  },
  {
    what: "a method states no idempotency",
    edits: [["    option idempotency_level = IDEMPOTENCY_UNKNOWN;\n", ""]],
    rule: "RPC_STATES_IDEMPOTENCY",
    says: /PutThing does not state its idempotency_level/,
  },
  {
    what: "a method states no callers",
    edits: [[`${RESOLVE}\n      allowed_callers: [CALLER_CONTROL]`, RESOLVE]],
    rule: "RPC_STATES_CALLERS",
    says: /PutThing does not state who may call it/,
  },
  {
    what: "a method is called by its own silo only",
    edits: [[`${RESOLVE}\n      allowed_callers: [CALLER_CONTROL]`, `${RESOLVE}\n      local_only: true`]],
  },
  {
    what: "an absent answer would be read as one",
    edits: absent("  Thing thing = 1;\n  string text = 2;\n"),
    rule: "RPC_ABSENT_RESPONSE",
    says: /text of GetThingResponse would be read as an answer/,
  },
  {
    what: "an absent answer is an empty list",
    edits: absent("  repeated Thing things = 1;\n"),
    rule: "RPC_ABSENT_RESPONSE",
    says: /has only lists/,
  },
  {
    what: "an absent answer is a stream",
    edits: [...absent("  Thing thing = 1;\n"), ["returns (GetThingResponse)", "returns (stream GetThingResponse)"]],
    rule: "RPC_ABSENT_RESPONSE",
    says: /a stream has no one answer/,
  },
  {
    what: "an absent answer says so",
    edits: absent("  Thing thing = 1;\n  optional string text = 2;\n  repeated string list = 3;\n"),
  },
  { what: "an absent answer has nothing to say", edits: absent("") },
  {
    what: "requests are streamed between silos",
    edits: [["PutThing(PutThingRequest)", "PutThing(stream PutThingRequest)"]],
    rule: "RPC_NO_REQUEST_STREAM",
    says: /cannot be signed between silos/,
  },
  {
    what: "both sides stream between silos",
    edits: [["PutThing(PutThingRequest) returns (", "PutThing(stream PutThingRequest) returns (stream "]],
    rule: "RPC_NO_REQUEST_STREAM",
  },
  {
    what: "requests are streamed within a silo",
    edits: [
      ["PutThing(PutThingRequest)", "PutThing(stream PutThingRequest)"],
      [`${RESOLVE}\n      allowed_callers: [CALLER_CONTROL]`, `${RESOLVE}\n      local_only: true`],
    ],
  },
  { what: "responses are streamed", edits: [["returns (PutThingResponse)", "returns (stream PutThingResponse)"]] },
  routed('get: "/v1/things/{slug}"'),
  routed('put: "/v1/organizations/{organization_id_or_slug}/things", body: "*"'),
  routed('get: "/v1/things"', true),
  routed('post: "/v1/organizations/{slug}/things", additional_bindings: {get: "/v1/things"}', true),
  {
    what: "a field says region",
    edits: [["int64 count = 4;", "int64 region_count = 4;"]],
    rule: "NAME_NO_REGION",
    says: /Write cell .* or locality/,
  },
  { what: "a value says region", edits: [["KIND_NEW = 1;", "KIND_REGION = 1;"]], rule: "NAME_NO_REGION" },
  {
    what: "a message says region",
    edits: [
      ["message OldPart {", "message RegionPart {"],
      ["  OldPart part = 2;", "  RegionPart part = 2;"],
    ],
    rule: "NAME_NO_REGION",
  },
  {
    what: "an old name is marked",
    edits: [["  int64 count = 4;", "  // TODO(cells): until 2.0.\n  int64 region_count = 4;"]],
  },
  { what: "a name has the letters, not the word", edits: [["int64 count = 4;", "int64 regional_count = 4;"]] },
  {
    what: "a category is 0",
    edits: [["category: NUMBER", "category: 0"]],
    rule: "OUTBOX_STATES_POLICY",
    says: /category must be 1 to 32767/,
  },
  {
    what: "a category is that of another",
    edits: [["category: NUMBER", "category: 1"]],
    rule: "OUTBOX_STATES_POLICY",
    says: /have the same category 1; give one a new number/,
  },
  {
    what: "a category has no sender",
    edits: [["    sent_by: SILO_MODE_CELL\n", ""]],
    rule: "OUTBOX_STATES_POLICY",
    says: /state sent_by/,
  },
  {
    what: "a category has no scope",
    edits: [["    scope: OUTBOX_SCOPE_ORGANIZATION\n", ""]],
    rule: "OUTBOX_STATES_POLICY",
    says: /state its scope/,
  },
  {
    what: "a category is ordered with none",
    edits: [["attempts_max: 5", "ordered_with: 32000"]],
    rule: "OUTBOX_STATES_POLICY",
    says: /ordered with category 32000, which nobody declares/,
  },
  { what: "a category is ordered with another", edits: [["attempts_max: 5", "ordered_with: 1"]] },
];

describe("buf lint", () => {
  let findings: Printed[][];
  beforeAll(async () => {
    findings = await lintAll(ROWS.map(({ edits }) => edits));
  });

  test.each(ROWS.map((row, index) => ({ ...row, index })))("$what → $rule", ({ index, rule, says = /./ }) => {
    const found = findings[index] ?? [];
    expect(found.map(({ type }) => type)).toEqual(rule === undefined ? [] : found.map(() => rule));
    expect(found.length > 0).toBe(rule !== undefined);
    for (const { message, start_line: line } of found) {
      expect(message).toMatch(says);
      expect(line).toBeGreaterThan(1);
    }
  });
});

/** The declarations of google/api/http.proto that public routes use. */
const HTTP = {
  "google/api/annotations.proto": `syntax = "proto3";
package google.api;
import "google/api/http.proto";
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions {
  HttpRule http = 72295728;
}
`,
  "google/api/http.proto": `syntax = "proto3";
package google.api;
message HttpRule {
  oneof pattern {
    string get = 2;
    string put = 3;
    string post = 4;
    string delete = 5;
    string patch = 6;
  }
  string body = 7;
  repeated HttpRule additional_bindings = 11;
}
`,
};

/** Gives every row to one run of `buf lint`, and returns what the plugin finds in each. */
async function lintAll(rows: readonly (readonly Edit[])[]): Promise<Printed[][]> {
  const files = rows.map((edits, index) => [
    `cellway/case${index}/v1/thing.proto`,
    contractOf(`case${index}`, index + 1, edits),
  ]);
  return await withContracts(Object.fromEntries(files), async (root) => {
    for (const [file, content] of Object.entries(HTTP)) {
      mkdirSync(dirname(join(root, "third_party/proto", file)), { recursive: true });
      writeFileSync(join(root, "third_party/proto", file), content);
    }
    const findings = await findingsOf(["lint"], root);
    const ours = findings.filter(({ type }) => RULES.some(({ id }) => id === type));
    return rows.map((_row, index) => ours.filter(({ path }) => path?.includes(`/case${index}/`)));
  });
}
