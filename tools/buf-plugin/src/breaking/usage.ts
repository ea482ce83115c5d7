import { type DescEnum, type DescMessage, hasOption } from "@bufbuild/protobuf";
import { outbox } from "@cellway/gen/cellway/contract/v1/options";
import type { Contract } from "../contract-files.js";

/** Who uses the types of a contract. */
export interface Usage {
  /**
   * Whether a message is received by what validates it: in a request, or as the content of an outbox. Responses are
   * validated by nobody. What nothing refers to may be used in ways that no contract shows, and counts.
   */
  isValidated(message: DescMessage): boolean;
  /** Whether anything that is not deprecated leads to a type. */
  isLive(type: DescMessage | DescEnum): boolean;
}

/** Finds out who uses the types of a contract. */
export function usageOf({ messages, enums, services }: Contract): Usage {
  const validated = new Set<string>();
  const answered = new Set<string>();
  const live = new Set<string>();
  const reached = new Set<string>();
  for (const service of services.values()) {
    for (const method of service.methods) {
      walk(method.input, validated);
      walk(method.output, answered);
      for (const message of [method.input, method.output]) {
        walk(message, reached);
        if (!method.deprecated) walk(message, live, { skipDeprecated: true });
      }
    }
  }
  for (const message of messages.values()) {
    if (!hasOption(message, outbox)) continue;
    walk(message, validated);
    walk(message, reached);
    if (!message.deprecated) walk(message, live, { skipDeprecated: true });
  }
  for (const type of [...messages.values(), ...enums.values()]) {
    if (!reached.has(type.typeName) && !type.deprecated) walk(type, live, { skipDeprecated: true });
  }
  return {
    isValidated: ({ typeName }) => validated.has(typeName) || !answered.has(typeName),
    isLive: ({ typeName }) => live.has(typeName),
  };
}

/** Adds a type and all that its fields lead to. */
function walk(type: DescMessage | DescEnum, into: Set<string>, options: { skipDeprecated?: boolean } = {}): void {
  if (into.has(type.typeName)) return;
  into.add(type.typeName);
  if (type.kind === "enum") return;
  for (const field of type.fields) {
    if (field.deprecated && options.skipDeprecated === true) continue;
    const next = field.message ?? field.enum;
    if (next !== undefined) walk(next, into, options);
  }
}
