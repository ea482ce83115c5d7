import { Code, type ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import type { MethodPolicy, ResolverKind } from "./contract.js";
import { errorMetadataOf, reasonOf } from "./errors.js";
import { type CellResolver, type Destination, resolveDestination } from "./resolver.js";

const CONTROL_ADDRESS = "http://control.internal:8001";
const US1: Destination = { silo: "us1", address: "http://us1.internal:8011" };

function createPolicy(kind: ResolverKind | undefined, localMode: "CONTROL" | "CELL" = "CELL"): MethodPolicy {
  return {
    name: "organization.GetOrganization",
    path: "/cellway.organization.v1.OrganizationService/GetOrganization",
    service: { key: "organization", localMode },
    resolver:
      kind === undefined
        ? undefined
        : { kind, path: "organization.key", read: (message) => (message as { key: string }).key },
    absentIfUnmapped: false,
    allowedCallers: new Set(["CONTROL"]),
    timeoutMs: 5_000,
    repeatable: true,
    readOwnedOrganizations: undefined,
  };
}

/** A directory that knows us1 under one key of each kind, and notes what it is asked. */
function createDirectory(only: Destination | undefined = US1) {
  const asked: string[] = [];
  const look = (kind: string, known: string) => async (key: string) => {
    asked.push(`${kind} ${key}`);
    return key === known ? US1 : undefined;
  };
  const resolver: CellResolver = {
    byOrganizationSlug: look("slug", "acme"),
    byOrganizationId: look("id", "42"),
    byCellName: look("cell", "us1"),
    async singleOrganization() {
      asked.push("single");
      return only;
    },
  };
  return { resolver, asked };
}

function resolve(kind: ResolverKind, key: string, resolver: CellResolver | undefined) {
  return resolveDestination(createPolicy(kind), { key }, { controlAddress: CONTROL_ADDRESS, resolver });
}

async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  return promise.then(
    (value) => {
      throw new Error(`it resolved to ${JSON.stringify(value)}`);
    },
    (error: ConnectError) => error,
  );
}

describe("where a call goes", () => {
  it.each([
    ["by_organization_slug", "acme", "slug acme"],
    ["by_organization_id", "42", "id 42"],
    ["by_organization_id_attribute", "42", "id 42"],
    ["by_cell_name", "us1", "cell us1"],
    ["single_organization", "", "single"],
  ] as const)("%s asks the directory once, for exactly that", async (kind, key, question) => {
    const { resolver, asked } = createDirectory();
    expect(await resolve(kind, key, resolver)).toEqual({ destination: US1 });
    expect(asked).toEqual([question]);
  });

  it("is control for what is local to control, and nobody is asked", async () => {
    const policy = createPolicy(undefined, "CONTROL");
    const { resolver, asked } = createDirectory();
    expect(await resolveDestination(policy, {}, { controlAddress: CONTROL_ADDRESS, resolver })).toEqual({
      destination: { silo: "control", address: CONTROL_ADDRESS },
    });
    expect(
      await resolveDestination(policy, {}, { controlAddress: CONTROL_ADDRESS, resolver: undefined }),
    ).toHaveProperty("destination.silo", "control");
    expect(asked).toEqual([]);
  });

  it("is the monolith where that is who answers at control's address", async () => {
    const options = { controlAddress: CONTROL_ADDRESS, controlName: "monolith", resolver: undefined };
    expect(await resolveDestination(createPolicy(undefined, "CONTROL"), {}, options)).toEqual({
      destination: { silo: "monolith", address: CONTROL_ADDRESS },
    });
  });
});

describe("what cannot be resolved", () => {
  it.each(["by_organization_slug", "by_organization_id", "by_organization_id_attribute", "by_cell_name"] as const)(
    "%s without a key is INVALID_ARGUMENT with the field, and nobody is asked",
    async (kind) => {
      const { resolver, asked } = createDirectory();
      const error = await failure(resolve(kind, "", resolver));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(reasonOf(error)).toBe("INVALID_FIELD");
      expect(error.rawMessage).toContain("organization.key");
      expect(errorMetadataOf(error)).toEqual({ field: "organization.key" });
      expect(asked).toEqual([]);
    },
  );

  it.each([
    ["by_organization_slug", "umbrella"],
    ["by_organization_id", "43"],
    ["by_organization_id_attribute", "43"],
  ] as const)("%s of no organization is unmapped, which is not an error here", async (kind, key) => {
    expect(await resolve(kind, key, createDirectory().resolver)).toEqual({ unmapped: `organization ${key}` });
  });

  it("the only organization, where there is none, is unmapped", async () => {
    const resolver = { ...createDirectory().resolver, singleOrganization: async () => undefined };
    expect(await resolve("single_organization", "", resolver)).toEqual({ unmapped: "the only organization" });
  });

  it("the name of no cell is NOT_FOUND with that name", async () => {
    const error = await failure(resolve("by_cell_name", "us9", createDirectory().resolver));
    expect([error.code, reasonOf(error), errorMetadataOf(error)]).toEqual([
      Code.NotFound,
      "CELL_NOT_FOUND",
      { cell: "us9" },
    ]);
  });

  it.each(["by_organization_slug", "by_cell_name", "single_organization"] as const)(
    "%s in a cell is WRONG_SILO: a cell calls no other cell",
    async (kind) => {
      const error = await failure(resolve(kind, "us1", undefined));
      expect([error.code, reasonOf(error)]).toEqual([Code.FailedPrecondition, "WRONG_SILO"]);
    },
  );

  it("what the directory says about its own trouble is handed on", async () => {
    const trouble = new Error("the directory is away");
    const resolver = { ...createDirectory().resolver, byOrganizationId: () => Promise.reject(trouble) };
    expect(await failure(resolve("by_organization_id", "42", resolver))).toBe(trouble);
  });
});
