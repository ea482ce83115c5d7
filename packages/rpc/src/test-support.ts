import {
  createFileRegistry,
  createRegistry,
  type DescService,
  type FileRegistry,
  fromJson,
  type JsonObject,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { method as methodOption, service as serviceOption } from "@cellway/gen/cellway/contract/v1/options";
import { type MethodPolicy, methodPolicyOf } from "./contract.js";

const OPTIONS = createRegistry(methodOption, serviceOption, fieldRules);

/** The types of a file of package `test`, as protoc would describe it. */
export function createTestFile(file: JsonObject): FileRegistry {
  const json = { name: "test.proto", package: "test", syntax: "proto3", ...file };
  return createFileRegistry(fromJson(FileDescriptorProtoSchema, json, { registry: OPTIONS }), () => undefined);
}

/** What a test wrote into its own file and takes out again. */
export function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the test's own descriptor is wrong");
  return value;
}

const one = (name: string, number: number, type: string, more: JsonObject = {}) => ({
  name,
  number,
  type,
  label: "LABEL_OPTIONAL",
  ...more,
});
const many = (name: string, number: number, type: string) => ({ ...one(name, number, type), label: "LABEL_REPEATED" });

/** `Request` has a field of every kind that a resolver might name, right or wrong. */
const MESSAGES = [
  {
    name: "Request",
    field: [
      one("organization_id", 1, "TYPE_INT64"),
      one("slug", 2, "TYPE_STRING"),
      one("cell_name", 3, "TYPE_STRING"),
      one("member", 4, "TYPE_MESSAGE", { typeName: ".test.Member" }),
      one("number", 5, "TYPE_INT32"),
      one("flag", 6, "TYPE_BOOL"),
      many("organization_ids", 7, "TYPE_INT64"),
      many("slugs", 8, "TYPE_STRING"),
      one("id", 9, "TYPE_FIXED64", { oneofIndex: 0 }),
      one("name", 10, "TYPE_STRING", { oneofIndex: 0 }),
      one("text_id", 11, "TYPE_INT64", { options: { jstype: "JS_STRING" } }),
      one("maybe_id", 12, "TYPE_UINT64", { oneofIndex: 1, proto3Optional: true }),
    ],
    oneofDecl: [{ name: "key" }, { name: "_maybe_id" }],
  },
  {
    name: "Member",
    field: [one("organization_id", 1, "TYPE_SINT64"), one("team", 2, "TYPE_MESSAGE", { typeName: ".test.Team" })],
  },
  { name: "Team", field: [one("organization_id", 1, "TYPE_SFIXED64"), one("slug", 2, "TYPE_STRING")] },
  { name: "Response" },
];

export type Fields = Record<string, unknown>;

interface ServiceJson {
  /** The service's option; null leaves it out. */
  service?: JsonObject | null;
  /** The option of its one method; null leaves it out. */
  method?: JsonObject | null;
  idempotency?: string;
}

/** A service of one method, with the options to be tested. */
export function createService({
  service = { key: "test", localMode: "SILO_MODE_CELL" },
  method = null,
  idempotency,
}: ServiceJson): DescService {
  const options = {
    ...(method === null ? {} : { "[cellway.contract.v1.method]": method }),
    ...(idempotency === undefined ? {} : { idempotencyLevel: idempotency }),
  };
  const file = createTestFile({
    messageType: MESSAGES,
    service: [
      {
        name: "TestService",
        ...(service === null ? {} : { options: { "[cellway.contract.v1.service]": service } }),
        method: [{ name: "Do", inputType: ".test.Request", outputType: ".test.Response", options }],
      },
    ],
  });
  return need(file.getService("test.TestService"));
}

export function policyOf(json: ServiceJson): MethodPolicy {
  return methodPolicyOf(need(createService(json).methods[0]));
}

export const policyWith = (resolve: JsonObject, more: JsonObject = {}) => policyOf({ method: { resolve, ...more } });
