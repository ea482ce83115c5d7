import { type DescMessage, type DescMethod, fromBinary } from "@bufbuild/protobuf";
import { ContractSchema } from "@cellway/gen/cellway/contract/v1/peer";
import { ContractError, methodPolicyOf } from "../contract.js";
import { digestOfContract } from "../contract-digest.js";

/** What a contract has, by what stands on the wire. */
export interface ContractIndex {
  /** Whether it has a method: `/cellway.organization.v1.OrganizationService/GetOrganization`. */
  hasMethod(path: string): boolean;
  /** Whether the request of a method has a field, by the numbers that lead to it from the request. */
  hasField(path: string, numbers: readonly number[]): boolean;
}

/**
 * Reads a contract that somebody says has this digest. A digest is a hash: undefined when these bytes have another one, so
 * that no peer can speak for the processes of another.
 */
export function readContract(digest: string, bytes: Uint8Array): ContractIndex | undefined {
  if (digestOfContract(bytes) !== digest) return undefined;
  let contract: ReturnType<typeof parse>;
  try {
    contract = parse(bytes);
  } catch {
    return undefined;
  }
  const inputs = new Map<string, string>();
  for (const service of contract.services) {
    for (const method of service.methods) inputs.set(`/${service.name}/${method.name}`, method.input);
  }
  const messages = new Map(
    contract.messages.map(({ name, fields }) => [name, new Map(fields.map(({ number, type }) => [number, type]))]),
  );
  return {
    hasMethod: (path) => inputs.has(path),
    hasField(path, numbers) {
      let message = inputs.get(path);
      for (const number of numbers) message = messages.get(message ?? "")?.get(number);
      return message !== undefined;
    },
  };
}

function parse(bytes: Uint8Array) {
  return fromBinary(ContractSchema, bytes);
}

/**
 * The numbers that lead from a method's request to a field, by its path as the contract writes it: `member.role`.
 *
 * @throws ContractError when our own contract has no such field.
 */
export function fieldNumbersOf(method: DescMethod, path: string): number[] {
  const numbers: number[] = [];
  let at: DescMessage | undefined = method.input;
  for (const name of path.split(".")) {
    const field: DescMessage["fields"][number] | undefined = at?.fields.find((each) => each.name === name);
    if (field === undefined) {
      throw new ContractError(`${methodPolicyOf(method).name}: the request has no field ${path}; ${name} is none.`);
    }
    numbers.push(field.number);
    at = field.message;
  }
  return numbers;
}
