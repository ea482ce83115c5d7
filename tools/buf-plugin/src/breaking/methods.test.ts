import { declaration, type Edit } from "../test-support.js";
import { type Change, describeChanges } from "./test-support.js";

const GONE = "";
const OLD_METHOD = declaration("  rpc OldThing(");

/** Removes the method that was deprecated. */
const WITHOUT_OLD_METHOD: Edit = [OLD_METHOD, GONE];

const METHODS: Change[] = [
  { what: "nothing is changed", now: [] },
  {
    what: "a method is added beside, with a required field in its own request",
    now: [
      [
        "  rpc PutThing(",
        `  rpc AddThing(AddThingRequest) returns (AddThingResponse) {
    option idempotency_level = IDEMPOTENT;
    option (cellway.contract.v1.method) = {
      resolve: {by_cell_name: "cell"}
      allowed_callers: [CALLER_CONTROL]
    };
  }

  rpc PutThing(`,
      ],
      [
        "message PutThingResponse {}",
        `message PutThingResponse {}
message AddThingRequest {
  string cell = 1 [(buf.validate.field).required = true];
}
message AddThingResponse {}`,
      ],
    ],
  },
  {
    what: "a method is deprecated",
    now: [["option idempotency_level = NO_SIDE", "option deprecated = true;\n    option idempotency_level = NO_SIDE"]],
  },
  {
    what: "a method is removed that was not deprecated",
    now: [[declaration("  rpc PutThing("), GONE]],
    rule: "RPC_NO_DELETE_UNLESS_DEPRECATED",
    says: /PutThing is gone.*old caller → new server.*UNIMPLEMENTED.*option deprecated = true.*contracts removable/,
  },
  { what: "a method is removed that was deprecated", now: [WITHOUT_OLD_METHOD] },
  {
    what: "a deprecated method is removed with all that only it used",
    now: [
      WITHOUT_OLD_METHOD,
      [declaration("message OldThingRequest"), GONE],
      ["message OldThingResponse {}\n", GONE],
      [declaration("message OldPart"), GONE],
    ],
  },
  {
    what: "a method is renamed",
    now: [["rpc PutThing(", "rpc StoreThing("]],
    rule: "RPC_NO_DELETE_UNLESS_DEPRECATED",
    says: /A rename is a new method beside the old/,
  },
  {
    what: "a service is removed with methods that were not deprecated",
    now: [
      [declaration("service ThingService"), GONE],
      ['import "cellway/contract/v1/options.proto";', 'import "cellway/contract/v1/options.proto";'],
    ],
    rule: "RPC_NO_DELETE_UNLESS_DEPRECATED",
    says: /ThingService\.(?:Get|Put)Thing is gone/,
  },
  {
    what: "a file is removed",
    now: "gone",
    rule: "TYPE_NO_DELETE_WHILE_USED",
    also: ["RPC_NO_DELETE_UNLESS_DEPRECATED"],
    says: /GetThingRequest is gone, and something that was not deprecated used it/,
  },
  {
    what: "a unary method becomes a stream",
    now: [["returns (GetThingResponse)", "returns (stream GetThingResponse)"]],
    rule: "RPC_NO_RETYPE",
    says: /returns \(stream cellway.*add a method beside it/,
  },
  {
    what: "a method takes a stream",
    now: [["GetThing(GetThingRequest)", "GetThing(stream GetThingRequest)"]],
    rule: "RPC_NO_RETYPE",
    says: /\(stream cellway.*GetThingRequest\)/,
  },
  {
    what: "a method takes another message",
    now: [["PutThing(PutThingRequest)", "PutThing(GetThingRequest)"]],
    rule: "RPC_NO_RETYPE",
    says: /add a method beside it, and move callers/,
  },
  {
    what: "a method answers with another message",
    now: [["returns (PutThingResponse)", "returns (GetThingResponse)"]],
    rule: "RPC_NO_RETYPE",
    says: /returns \(cellway.*GetThingResponse/,
  },
  {
    what: "a method becomes less idempotent",
    now: [["idempotency_level = IDEMPOTENT;", "idempotency_level = IDEMPOTENCY_UNKNOWN;"]],
    rule: "RPC_SAME_IDEMPOTENCY",
    says: /old caller → new server: old callers repeat it.*add a method beside it/,
  },
  {
    what: "a method gets side effects",
    now: [["idempotency_level = NO_SIDE_EFFECTS;", "idempotency_level = IDEMPOTENT;"]],
    rule: "RPC_SAME_IDEMPOTENCY",
    says: /old caller → new server: old callers take it for free of side effects/,
  },
  {
    what: "a method is said to be idempotent that was not: an old server is not",
    now: [["idempotency_level = IDEMPOTENCY_UNKNOWN;", "idempotency_level = IDEMPOTENT;"]],
    rule: "RPC_SAME_IDEMPOTENCY",
    says: /new caller → old server: new callers repeat it/,
  },
];

const POLICIES: Change[] = [
  {
    what: "a resolver takes another field",
    now: [['by_organization_slug: "slug"', 'by_cell_name: "slug"']],
    rule: "RPC_SAME_POLICY",
    says: /The resolver of ThingService\.PutThing changed from byOrganizationSlug \(slug\) to byCellName \(slug\)/,
  },
  {
    what: "a resolver is dropped",
    now: [['      resolve: {by_organization_slug: "slug"}\n', GONE]],
    rule: "RPC_SAME_POLICY",
    says: /to none/,
  },
  {
    what: "a service gets another key",
    now: [['key: "NAME"', 'key: "NAME2"']],
    rule: "RPC_SAME_POLICY",
    says: /The key of .* changed.*add a service with the new key beside it/,
  },
  {
    what: "a service moves to the other silo",
    now: [["local_mode: SILO_MODE_CELL", "local_mode: SILO_MODE_CONTROL"]],
    rule: "RPC_SAME_POLICY",
    says: /from CELL to CONTROL.*add a service in the other silo beside it/,
  },
  {
    what: "a caller is shut out",
    now: [
      [
        "      allowed_callers: [CALLER_CONTROL]\n      allowed_callers: [CALLER_CELL]\n",
        "      allowed_callers: [CALLER_CELL]\n",
      ],
    ],
    rule: "RPC_CALLERS_NO_SHRINK",
    says: /may no longer be called by CONTROL.*PERMISSION_DENIED.*move those callers away/,
  },
  {
    what: "a caller is let in, and the callers are said in another order",
    now: [
      [
        "allowed_callers: [CALLER_CONTROL]\n      allowed_callers: [CALLER_CELL]",
        "allowed_callers: [CALLER_CELL, CALLER_CONTROL]",
      ],
      [
        '{by_organization_slug: "slug"}\n      allowed_callers: [CALLER_CONTROL]',
        '{by_organization_slug: "slug"}\n      allowed_callers: [CALLER_CONTROL, CALLER_CELL]',
      ],
    ],
  },
  {
    what: "a caller has to own the organization",
    now: [["timeout: {seconds: 10}", 'timeout: {seconds: 10}\n      caller_owns_organization: "organization_id"']],
    rule: "RPC_CALLERS_NO_SHRINK",
    says: /now asks that the caller owns the organization of organization_id.*add a method beside it/,
  },
  {
    what: "cells are let in, each for its own organizations",
    old: [
      ["allowed_callers: [CALLER_CONTROL]\n      allowed_callers: [CALLER_CELL]", "allowed_callers: [CALLER_CONTROL]"],
    ],
    now: [
      [
        "allowed_callers: [CALLER_CONTROL]\n      timeout: {seconds: 10}",
        'allowed_callers: [CALLER_CONTROL, CALLER_CELL]\n      timeout: {seconds: 10}\n      caller_owns_organization: "organization_id"',
      ],
    ],
  },
  {
    what: "a caller no longer has to own the organization",
    old: [["timeout: {seconds: 10}", 'timeout: {seconds: 10}\n      caller_owns_organization: "organization_id"']],
    now: [['\n      caller_owns_organization: "organization_id"', GONE]],
  },
  {
    what: "a timeout shrinks",
    now: [["timeout: {seconds: 10}", "timeout: {seconds: 9}"]],
    rule: "RPC_TIMEOUT_NO_SHRINK",
    says: /from 10000 ms to 9000 ms.*pass a shorter deadline/,
  },
  {
    what: "a timeout is dropped, and falls to the default",
    now: [["      timeout: {seconds: 10}\n", GONE]],
    rule: "RPC_TIMEOUT_NO_SHRINK",
    says: /from 10000 ms to 5000 ms/,
  },
  {
    what: "a timeout is stated that is less than the default",
    now: [['{by_cell_name: "cell"}', '{by_cell_name: "cell"}\n      timeout: {seconds: 4}']],
    rule: "RPC_TIMEOUT_NO_SHRINK",
    says: /from 5000 ms to 4000 ms/,
  },
  { what: "a timeout grows", now: [["timeout: {seconds: 10}", "timeout: {seconds: 60}"]] },
  {
    what: "absent_if_unmapped is stated: callers alone go by it",
    now: [["timeout: {seconds: 10}", "timeout: {seconds: 10}\n      absent_if_unmapped: true"]],
  },
];

const OUTBOXES: Change[] = [
  {
    what: "a category gets another number",
    now: [["category: NUMBER", "category: 1NUMBER"]],
    rule: "OUTBOX_SAME_POLICY",
    says: /category of .*Told changed.*CATEGORY_UNKNOWN.*add a message with a category of its own/,
  },
  {
    what: "a category is sent by the other side",
    now: [["sent_by: SILO_MODE_CELL", "sent_by: SILO_MODE_CONTROL"]],
    rule: "OUTBOX_SAME_POLICY",
    says: /sent_by of .*Told changed from CELL to CONTROL/,
  },
  {
    what: "a category has other shards",
    now: [["OUTBOX_SCOPE_ORGANIZATION", "OUTBOX_SCOPE_USER"]],
    rule: "OUTBOX_SAME_POLICY",
    says: /scope of .*Told changed from ORGANIZATION to USER/,
  },
  {
    what: "a category is ordered with another",
    now: [["attempts_max: 5", "attempts_max: 5\n    ordered_with: 1"]],
    rule: "OUTBOX_SAME_POLICY",
    says: /ordered_with of .*Told changed from 0 to 1/,
  },
  {
    what: "a message takes the category of another, which was deprecated",
    old: [["message Told {", "message Told {\n  option deprecated = true;"]],
    now: [["message Told {", "message Said {"]],
    rule: "OUTBOX_SAME_POLICY",
    says: /was cellway.*Told and is now cellway.*Said/,
  },
  {
    what: "a message is no longer told",
    now: [[declaration("message Told").split("\n").slice(1, 7).join("\n"), ""]],
    rule: "OUTBOX_SAME_POLICY",
    says: /no longer the content of an outbox category, and was not deprecated/,
  },
  {
    what: "a category is removed that was not deprecated",
    now: [[declaration("message Told"), GONE]],
    rule: "TYPE_NO_DELETE_WHILE_USED",
    says: /Told is gone.*deprecate/,
  },
  {
    what: "a category is removed that was deprecated",
    old: [["message Told {", "message Told {\n  option deprecated = true;"]],
    now: [[declaration("message Told").replace("{", "{\n  option deprecated = true;"), GONE]],
  },
  { what: "attempts_max changes: the sender alone goes by it", now: [["attempts_max: 5", "attempts_max: 9"]] },
];

describeChanges("methods", METHODS);
describeChanges("policies", POLICIES);
describeChanges("outboxes", OUTBOXES);
