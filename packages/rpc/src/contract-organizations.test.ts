import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "@jest/globals";
import { ContractError, methodPolicyOf } from "./contract.js";
import { createService, type Fields, policyOf } from "./test-support.js";

describe("the organizations that must live in the calling cell", () => {
  const service = { key: "test", localMode: "SILO_MODE_CONTROL" };
  const policyFor = (path: string) => policyOf({ service, method: { callerOwnsOrganization: path } });
  const owned = (path: string, request: Fields) => {
    const [method] = createService({ service, method: { callerOwnsOrganization: path } }).methods;
    return method === undefined
      ? undefined
      : methodPolicyOf(method).readOwnedOrganizations?.(create(method.input, request));
  };

  it.each([
    ["organization_id", { organizationId: 42n }, ["42"]],
    ["organization_id", {}, []],
    ["organization_id", { organizationId: 0n }, []],
    ["member.organization_id", { member: { organizationId: 42n } }, ["42"]],
    ["member.organization_id", {}, []],
    ["id", { key: { case: "id", value: 42n } }, ["42"]],
    ["id", { key: { case: "name", value: "42" } }, []],
    ["organization_ids", { organizationIds: [1n, 2n, 3n] }, ["1", "2", "3"]],
    ["organization_ids", {}, []],
  ] as [string, Fields, string[]][])("%s of %p: %j", (path, request, ids) => {
    expect(owned(path, request)).toEqual(ids);
  });

  it("include every id of a list, also one that is no organization's: nothing slips through beside another", () => {
    expect(owned("organization_ids", { organizationIds: [0n, 1n] })).toEqual(["0", "1"]);
  });

  it("are not asked for when the contract does not", () => {
    expect(policyOf({ service }).readOwnedOrganizations).toBeUndefined();
  });

  it.each([
    ["organization", /leads through organization, which is not a field/],
    ["slug", /names slug, which holds no 64-bit ids/],
    ["slugs", /names slugs, which holds no 64-bit ids/],
    ["member", /names member, which holds no 64-bit ids/],
  ])("cannot be read from %s, and the message says why", (path, message) => {
    expect(() => policyFor(path)).toThrow(ContractError);
    expect(() => policyFor(path)).toThrow(/^test\.Do: /);
    expect(() => policyFor(path)).toThrow(message);
  });
});
