import {
  create,
  createFileRegistry,
  createRegistry,
  type DescMethod,
  fromJson,
  type JsonObject,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { errorMetadataOf, reasonOf } from "./errors.js";
import { assertValid, createContractValidator } from "./validation.js";

const field = (name: string, number: number, type: string, { typeName, ...rules }: JsonObject) => ({
  name,
  number,
  type,
  label: "LABEL_OPTIONAL",
  options: { "[buf.validate.field]": rules },
  ...(typeName === undefined ? {} : { typeName }),
});

/** A method whose request has the kinds of rules that our contracts use, and one whose rule is broken. */
const FILE = fromJson(
  FileDescriptorProtoSchema,
  {
    name: "validation.test.proto",
    package: "test",
    syntax: "proto3",
    messageType: [
      {
        name: "Request",
        field: [
          field("slug", 1, "TYPE_STRING", {
            string: { pattern: "^[a-z][a-z0-9-]*$", maxLen: "10" },
            ignore: "IGNORE_IF_ZERO_VALUE",
          }),
          field("number", 2, "TYPE_INT32", { int32: { gte: 0, lte: 9 } }),
          field("member", 3, "TYPE_MESSAGE", { typeName: ".test.Member" }),
          {
            ...field("members", 4, "TYPE_MESSAGE", { repeated: { maxItems: "2" }, typeName: ".test.Member" }),
            label: "LABEL_REPEATED",
          },
          field("name", 5, "TYPE_STRING", { string: { pattern: "^\\p{Lu}.*$" }, ignore: "IGNORE_IF_ZERO_VALUE" }),
        ],
      },
      { name: "Member", field: [field("email", 1, "TYPE_STRING", { string: { email: true } })] },
      {
        name: "Broken",
        field: [
          field("name", 1, "TYPE_STRING", {
            cel: [{ id: "broken", message: "no", expression: "this.no_such_thing > 1" }],
          }),
        ],
      },
      { name: "Response" },
    ],
    service: [
      {
        name: "TestService",
        method: [
          { name: "Do", inputType: ".test.Request", outputType: ".test.Response" },
          { name: "Break", inputType: ".test.Broken", outputType: ".test.Response" },
        ],
      },
    ],
  },
  { registry: createRegistry(fieldRules) },
);

function methodOf(name: string): DescMethod {
  const method = createFileRegistry(FILE, () => undefined)
    .getService("test.TestService")
    ?.methods.find((candidate) => candidate.name === name);
  if (method === undefined) throw new Error("the test's own descriptor is wrong");
  return method;
}

const DO = methodOf("Do");
const validator = createContractValidator();

function validate(request: Record<string, unknown>, method = DO): ConnectError | "valid" {
  try {
    assertValid(validator, method, create(method.input, request));
    return "valid";
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
}

describe("a request that keeps its contract", () => {
  it.each([
    [{}],
    [{ slug: "acme-1", number: 9 }],
    [{ member: { email: "a@example.com" }, members: [{ email: "b@example.com" }] }],
    [{ name: "Ärzte" }],
  ])("passes: %j", (request) => {
    expect(validate(request)).toBe("valid");
  });

  it("passes again and again: no pattern keeps a state between calls", () => {
    for (let call = 0; call < 5; call += 1) expect(validate({ slug: "acme" })).toBe("valid");
  });
});

describe("a request that breaks its contract", () => {
  it.each([
    [{ slug: "Acme" }, "slug", "string.pattern"],
    [{ slug: "acme\n" }, "slug", "string.pattern"],
    [{ slug: "a".repeat(11) }, "slug", "string.max_len"],
    [{ number: 10 }, "number", "int32.gte_lte"],
    [{ member: { email: "nobody" } }, "member.email", "string.email"],
    [{ members: [{ email: "a@example.com" }, { email: "nobody" }] }, "members[1].email", "string.email"],
    [{ members: Array(3).fill({ email: "a@example.com" }) }, "members", "repeated.max_items"],
    [{ name: "ärzte" }, "name", "string.pattern"],
  ])("%j is INVALID_ARGUMENT, and names field and rule", (request, name, rule) => {
    const error = validate(request) as ConnectError;
    expect(error.code).toBe(Code.InvalidArgument);
    expect(reasonOf(error)).toBe("INVALID_FIELD");
    expect(errorMetadataOf(error)).toEqual({ field: name, rule });
    expect(error.rawMessage.startsWith(`${name}: `)).toBe(true);
  });

  it("in several ways says how many more there are", () => {
    expect((validate({ slug: "Acme", number: 10 }) as ConnectError).rawMessage).toMatch(/\(and 1 more\)$/);
    expect((validate({ number: 10 }) as ConnectError).rawMessage).not.toMatch(/more/);
  });
});

describe("a rule that cannot be evaluated", () => {
  it("is a bug of the contract and not of the caller: INTERNAL, with the cause for the log only", () => {
    const error = validate({ name: "x" }, methodOf("Break")) as ConnectError;
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toBe("a rule of the contract cannot be evaluated");
    expect(error.cause).toBeInstanceOf(Error);
  });
});
