import { createHash } from "node:crypto";
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ContractEnum,
  ContractEnumSchema,
  type ContractField,
  ContractFieldSchema,
  type ContractMessage,
  ContractMessageSchema,
  type ContractMethod,
  ContractMethodSchema,
  ContractSchema,
  ContractServiceSchema,
} from "@cellway/gen/cellway/contract/v1/peer";
import { methodPolicyOf, servicePolicyOf } from "./contract.js";

/** What a process serves, as it tells it. */
export interface ContractDescription {
  /** See {@link digestOfContract}. */
  readonly digest: string;
  /** A serialized `cellway.contract.v1.Contract`. */
  readonly bytes: Uint8Array;
}

/**
 * Describes what a process serves: the same for two processes exactly when they serve the same methods, with the same
 * policies and the same messages (validation rules aside), whatever order they were declared in.
 */
export function describeContract(services: readonly DescService[]): ContractDescription {
  const messages = new Map<string, ContractMessage>();
  const enums = new Map<string, ContractEnum>();
  const addType = ({ message, enum: type }: Pick<DescField, "message" | "enum">) => {
    if (message !== undefined && !messages.has(message.typeName)) addMessage(message);
    if (type !== undefined) enums.set(type.typeName, describeEnum(type));
  };
  const addMessage = (message: DescMessage) => {
    messages.set(message.typeName, describeMessage(message));
    for (const field of message.fields) addType(field);
  };
  for (const { input, output } of services.flatMap((service) => service.methods)) {
    for (const message of [input, output]) addType({ message, enum: undefined });
  }
  const contract = create(ContractSchema, {
    services: services.map(describeService).sort(byName),
    messages: [...messages.values()].sort(byName),
    enums: [...enums.values()].sort(byName),
  });
  const bytes = toBinary(ContractSchema, contract);
  return { digest: digestOfContract(bytes), bytes };
}

/** Names a contract by its bytes, as they were serialized: the first 16 hexadecimal digits of their SHA-256. */
export function digestOfContract(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

function describeService(service: DescService) {
  const { key, localMode } = servicePolicyOf(service);
  const methods = service.methods.map(describeMethod).sort(byName);
  return create(ContractServiceSchema, { name: service.typeName, key, localMode, methods });
}

function describeMethod(method: DescMethod): ContractMethod {
  const { resolver, allowedCallers, timeoutMs, absentIfUnmapped } = methodPolicyOf(method);
  return create(ContractMethodSchema, {
    name: method.name,
    kind: method.methodKind,
    idempotencyLevel: method.idempotency,
    input: method.input.typeName,
    output: method.output.typeName,
    resolver: resolver === undefined ? "" : `${resolver.kind}(${resolver.path})`,
    allowedCallers: [...allowedCallers].sort(),
    timeoutMs,
    absentIfUnmapped,
    deprecated: method.deprecated,
  });
}

function describeMessage({ typeName, fields }: DescMessage): ContractMessage {
  return create(ContractMessageSchema, { name: typeName, fields: fields.map(describeField) });
}

function describeField(field: DescField): ContractField {
  return create(ContractFieldSchema, {
    number: field.number,
    name: field.name,
    kind: field.fieldKind,
    type: field.message?.typeName ?? field.enum?.typeName ?? String(field.scalar),
    presence: field.presence,
    oneof: field.oneof?.name ?? "",
    deprecated: field.deprecated,
  });
}

function describeEnum({ typeName, values }: DescEnum): ContractEnum {
  return create(ContractEnumSchema, {
    name: typeName,
    values: values.map(({ number, name }) => ({ number, name })),
  });
}
