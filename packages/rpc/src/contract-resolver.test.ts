import { create, type JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "@jest/globals";
import { ContractError, methodPolicyOf } from "./contract.js";
import { createService, type Fields, policyOf, policyWith } from "./test-support.js";

/** What the policy of a resolver reads from a request. */
function read(resolve: JsonObject, request: Fields): string | undefined {
  const service = createService({ method: { resolve } });
  const [method] = service.methods;
  return method === undefined ? undefined : methodPolicyOf(method).resolver?.read(create(method.input, request));
}

describe("a resolver", () => {
  it.each([
    [{ byOrganizationId: "organization_id" }, "by_organization_id", { organizationId: 42n }, "42"],
    [{ byOrganizationId: "text_id" }, "by_organization_id", { textId: "42" }, "42"],
    [{ byOrganizationId: "maybe_id" }, "by_organization_id", { maybeId: 42n }, "42"],
    [{ byOrganizationId: "id" }, "by_organization_id", { key: { case: "id", value: 42n } }, "42"],
    [{ byOrganizationSlug: "slug" }, "by_organization_slug", { slug: "acme" }, "acme"],
    [{ byOrganizationSlug: "name" }, "by_organization_slug", { key: { case: "name", value: "acme" } }, "acme"],
    [{ byCellName: "cell_name" }, "by_cell_name", { cellName: "us1" }, "us1"],
    [
      { byOrganizationIdAttribute: "member.organization_id" },
      "by_organization_id_attribute",
      { member: { organizationId: 42n } },
      "42",
    ],
    [
      { byOrganizationIdAttribute: "member.team.organization_id" },
      "by_organization_id_attribute",
      { member: { team: { organizationId: 42n } } },
      "42",
    ],
    [{ singleOrganization: true }, "single_organization", {}, ""],
  ] as [JsonObject, string, Fields, string][])("%j reads its key", (resolve, kind, request, key) => {
    expect(policyWith(resolve).resolver).toMatchObject({
      kind,
      path: Object.values(resolve)[0] === true ? "" : Object.values(resolve)[0],
    });
    expect(read(resolve, request)).toBe(key);
  });

  it("reads an id beyond what a number can hold without rounding it", () => {
    expect(read({ byOrganizationId: "organization_id" }, { organizationId: 9_007_199_254_740_993n })).toBe(
      "9007199254740993",
    );
    expect(read({ byOrganizationId: "id" }, { key: { case: "id", value: 2n ** 64n - 1n } })).toBe(
      "18446744073709551615",
    );
  });

  it.each([
    [{ byOrganizationId: "organization_id" }, {}],
    [{ byOrganizationId: "organization_id" }, { organizationId: 0n }],
    [{ byOrganizationId: "text_id" }, { textId: "0" }],
    [{ byOrganizationId: "maybe_id" }, {}],
    [{ byOrganizationId: "maybe_id" }, { maybeId: 0n }],
    [{ byOrganizationId: "id" }, {}],
    [{ byOrganizationId: "id" }, { key: { case: "name", value: "42" } }],
    [{ byOrganizationSlug: "slug" }, {}],
    [{ byCellName: "cell_name" }, { cellName: "" }],
    [{ byOrganizationIdAttribute: "member.organization_id" }, {}],
    [{ byOrganizationIdAttribute: "member.team.organization_id" }, { member: {} }],
  ] as [JsonObject, Fields][])("%j has no key in %p", (resolve, request) => {
    expect(read(resolve, request)).toBe("");
  });

  it.each([
    [
      { byOrganizationId: "organisation_id" },
      /the path organisation_id leads through organisation_id, which is not a field of test\.Request/,
    ],
    [{ byOrganizationSlug: "organizationId" }, /organizationId, which is not a field of test\.Request/],
    [
      { byOrganizationIdAttribute: "member.organisation_id" },
      /leads through organisation_id, which is not a field of test\.Member/,
    ],
    [{ byOrganizationIdAttribute: "slug.organization_id" }, /leads through organization_id/],
    [{ byOrganizationId: "" }, /which is not a field of test\.Request/],
    [{ byOrganizationIdAttribute: "member." }, /which is not a field of test\.Member/],
    [{ byOrganizationId: "slug" }, /by_organization_id names slug, which is not a 64-bit field/],
    [{ byOrganizationId: "number" }, /by_organization_id names number, which is not a 64-bit field/],
    [
      { byOrganizationId: "organization_ids" },
      /by_organization_id names organization_ids, which is not a 64-bit field/,
    ],
    [{ byOrganizationIdAttribute: "member.team" }, /member\.team, which is not a 64-bit field/],
    [{ byOrganizationIdAttribute: "member.team.slug" }, /member\.team\.slug, which is not a 64-bit field/],
    [
      { byOrganizationSlug: "organization_id" },
      /by_organization_slug names organization_id, which is not a string field/,
    ],
    [{ byOrganizationSlug: "slugs" }, /which is not a string field/],
    [{ byCellName: "flag" }, /by_cell_name names flag, which is not a string field/],
    [{ byCellName: "member" }, /which is not a string field/],
  ] as [JsonObject, RegExp][])("%j does not fit its request, and the message says why", (resolve, message) => {
    expect(() => policyWith(resolve)).toThrow(ContractError);
    expect(() => policyWith(resolve)).toThrow(/^test\.Do: /);
    expect(() => policyWith(resolve)).toThrow(message);
  });

  it.each([
    ["no option", null],
    ["no resolver", { absentIfUnmapped: true }],
    ["an empty resolver", { resolve: {} }],
  ])("must be stated by a method of a cell service; with %s it is not", (_what, method) => {
    expect(() => policyOf({ method })).toThrow(ContractError);
    expect(() => policyOf({ method })).toThrow(/^test\.Do: .*must state how its cell is resolved/);
  });

  it("is refused on a method of a control service, which needs none", () => {
    const service = { key: "test", localMode: "SILO_MODE_CONTROL" };
    expect(() => policyOf({ service, method: { resolve: { byCellName: "cell_name" } } })).toThrow(ContractError);
    expect(() => policyOf({ service, method: { resolve: { byCellName: "cell_name" } } })).toThrow(
      /^test\.Do: .*control/,
    );
    expect(policyOf({ service }).resolver).toBeUndefined();
  });
});

describe("who may call a method", () => {
  const resolve = { byCellName: "cell_name" };

  it("is nobody of another silo when it is local only, which contradicts every caller", () => {
    expect([...policyWith(resolve, { localOnly: true }).allowedCallers]).toEqual([]);
    expect(() => policyWith(resolve, { localOnly: true, allowedCallers: ["CALLER_CELL"] })).toThrow(
      /^test\.Do: local_only and allowed_callers contradict each other/,
    );
  });
});
