import { readdirSync } from "node:fs";
import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { describe, expect, it } from "@jest/globals";
import { ContractError, DEFAULT_TIMEOUT_MS, methodPolicyOf, servicePolicyOf } from "./contract.js";
import { createService, policyOf, policyWith } from "./test-support.js";

describe("a service's contract", () => {
  it.each([
    ["SILO_MODE_CELL", "CELL"],
    ["SILO_MODE_CONTROL", "CONTROL"],
  ])("%s says where it runs", (option, localMode) => {
    expect(servicePolicyOf(createService({ service: { key: "test", localMode: option } }))).toEqual({
      key: "test",
      localMode,
    });
  });

  it.each([
    ["no option", null],
    ["no key", { localMode: "SILO_MODE_CELL" }],
    ["no local mode", { key: "test" }],
    ["an unspecified local mode", { key: "test", localMode: "SILO_MODE_UNSPECIFIED" }],
  ])("with %s cannot be served or called, and the message names the service and what to state", (_what, service) => {
    const desc = createService({ service });
    expect(() => servicePolicyOf(desc)).toThrow(ContractError);
    expect(() => servicePolicyOf(desc)).toThrow(/test\.TestService.*key and local_mode/);
  });
});

describe("a method's contract", () => {
  const resolve = { byOrganizationId: "organization_id" };

  it("gives a method its name, its path and the usual timeout", () => {
    expect(policyWith(resolve)).toMatchObject({
      name: "test.Do",
      path: "/test.TestService/Do",
      timeoutMs: DEFAULT_TIMEOUT_MS,
      absentIfUnmapped: false,
    });
  });

  it("lets nobody call it who is not named", () => {
    expect([...policyWith(resolve).allowedCallers]).toEqual([]);
    expect([...policyWith(resolve, { allowedCallers: ["CALLER_CONTROL"] }).allowedCallers]).toEqual(["CONTROL"]);
    expect([...policyWith(resolve, { allowedCallers: ["CALLER_CELL"] }).allowedCallers]).toEqual(["CELL"]);
    expect(
      [...policyWith(resolve, { allowedCallers: ["CALLER_CELL", "CALLER_CONTROL"] }).allowedCallers].sort(),
    ).toEqual(["CELL", "CONTROL"]);
  });

  it("may set the timeout and an empty answer for what is unmapped", () => {
    expect(policyWith(resolve, { timeout: "1.500s", absentIfUnmapped: true })).toMatchObject({
      timeoutMs: 1_500,
      absentIfUnmapped: true,
    });
  });

  it.each([
    [undefined, false],
    ["IDEMPOTENCY_UNKNOWN", false],
    ["IDEMPOTENT", true],
    ["NO_SIDE_EFFECTS", true],
  ])("with idempotency %s is repeatable: %j", (idempotency, repeatable) => {
    expect(policyOf({ method: { resolve }, ...(idempotency === undefined ? {} : { idempotency }) }).repeatable).toBe(
      repeatable,
    );
  });

  it("is read once", () => {
    const [method] = createService({ method: { resolve } }).methods;
    if (method === undefined) throw new Error("no method");
    expect(methodPolicyOf(method)).toBe(methodPolicyOf(method));
  });
});

/** Every generated file of ours, found rather than listed, so that a new contract is not forgotten. */
async function importContracts(): Promise<DescFile[]> {
  const root = new URL("../../../", import.meta.resolve("@cellway/gen/cellway/contract/v1/options"));
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith("_pb.js") && !name.includes("node_modules"),
  );
  const exported: unknown[] = [];
  // One after the other: Jest does not link modules that are imported side by side and share an import.
  for (const name of names) exported.push(...Object.values((await import(new URL(name, root).href)) as object));
  return exported.filter((value): value is DescFile => (value as { kind?: string } | null)?.kind === "file");
}

describe("the contracts of Cellway", () => {
  it("can all be served, and keys are given once", async () => {
    const services = (await importContracts())
      .flatMap((file) => file.services)
      .filter((service) => service.typeName.startsWith("cellway."));
    for (const service of services)
      for (const method of service.methods) expect(methodPolicyOf(method).timeoutMs).toBeGreaterThan(0);
    const keys = services.map((service) => servicePolicyOf(service).key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("give every method a request type of its own", async () => {
    const files = await importContracts();
    expect(files.map((file) => file.name)).toContain("cellway/contract/v1/options");
    const inputs = files
      .flatMap((file) => file.services)
      .flatMap((service) => service.methods.map((method): DescMessage => method.input));
    // A request type belongs to one method: else one method's change of routing is another's surprise.
    const ours = inputs.filter((input) => input.typeName.startsWith("cellway.")).map((input) => input.typeName);
    expect(new Set(ours).size).toBe(ours.length);
  });
});
