/** A rule as `buf config ls-lint-rules` and `ls-breaking-rules` show it. */
export interface Rule {
  readonly id: string;
  readonly kind: "lint" | "breaking";
  /** A sentence: capital first, full stop last. */
  readonly purpose: string;
}

/** Under which name buf.yaml uses all of them. */
export const CATEGORY = { id: "CELLWAY", purpose: "What keeps calls between silos right, while old and new run." };

/** Every rule, in the order of README.md. */
export const RULES = [
  lint("SERVICE_STATES_POLICY", "Checks that services state their key and local mode."),
  lint("SERVICE_KEY_UNIQUE", "Checks that no two services have the same key."),
  lint("RPC_STATES_POLICY", "Checks that the options of methods are such as the runtime accepts: resolvers above all."),
  lint("RPC_STATES_IDEMPOTENCY", "Checks that methods state their idempotency level."),
  lint("RPC_STATES_CALLERS", "Checks that methods state who may call them."),
  lint("RPC_ABSENT_RESPONSE", "Checks that absent_if_unmapped is used only where a response can say absent."),
  lint("RPC_NO_REQUEST_STREAM", "Checks that no method streams requests between silos."),
  lint("RPC_HTTP_ORGANIZATION", "Checks that public routes of cell methods carry the organization."),
  lint("NAME_NO_REGION", "Checks that new names do not say region."),
  lint("OUTBOX_STATES_POLICY", "Checks that outbox categories state a unique number, their sender and their scope."),
  breaking("RPC_NO_DELETE_UNLESS_DEPRECATED", "Checks that rpcs are not deleted unless they were deprecated."),
  breaking("RPC_NO_RETYPE", "Checks that rpcs keep their request, their response and whether they stream."),
  breaking("RPC_SAME_POLICY", "Checks that released methods keep their resolver, their local mode and their key."),
  breaking("RPC_SAME_IDEMPOTENCY", "Checks that released methods keep their idempotency level."),
  breaking("RPC_CALLERS_NO_SHRINK", "Checks that nobody who may call a method is shut out."),
  breaking("RPC_TIMEOUT_NO_SHRINK", "Checks that methods do not get less time."),
  breaking("FIELD_NO_DELETE_UNLESS_DEPRECATED", "Checks that fields are not deleted unless deprecated, then reserved."),
  breaking("FIELD_NO_RENAME", "Checks that fields keep their name and their JSON name."),
  breaking("FIELD_NO_RETYPE", "Checks that fields keep their type."),
  breaking("FIELD_SAME_PRESENCE", "Checks that fields keep their presence and their oneof."),
  breaking("FIELD_NO_ADD_REQUIRED", "Checks that nothing becomes, or is added, required in what is received."),
  breaking("FIELD_RULES_NO_TIGHTEN", "Checks that validation of what is received does not become stricter."),
  breaking("ENUM_VALUE_NO_DELETE_UNLESS_DEPRECATED", "Checks that enum values are not deleted while they can arrive."),
  breaking("ENUM_VALUE_NO_RENAME", "Checks that enum values keep their name."),
  breaking(
    "TYPE_NO_DELETE_WHILE_USED",
    "Checks that messages and enums are not deleted while released methods use them.",
  ),
  breaking("RESERVED_NO_DELETE", "Checks that what is reserved stays reserved."),
  breaking("OUTBOX_SAME_POLICY", "Checks that outbox categories keep their number, sender, scope and order."),
] as const satisfies readonly Rule[];

/** The id of a rule. */
export type RuleId = (typeof RULES)[number]["id"];

function lint<const Id extends string>(id: Id, purpose: string) {
  return { id, kind: "lint", purpose } as const;
}

function breaking<const Id extends string>(id: Id, purpose: string) {
  return { id, kind: "breaking", purpose } as const;
}
