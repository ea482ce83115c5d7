import { createHash } from "node:crypto";
import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { methodPolicyOf, servicePolicyOf } from "./contract.js";

/**
 * Names what a process serves: the same for two processes exactly when they serve the same methods, with the same
 * policies and the same messages (validation rules aside), whatever order they were declared in.
 *
 * @returns 16 hexadecimal digits.
 */
export function contractDigestOf(services: readonly DescService[]): string {
  const lines = new Set<string>();
  const seen = new Set<DescMessage | DescEnum>();
  for (const service of services) {
    const { key, localMode } = servicePolicyOf(service);
    lines.add(`service ${service.typeName} ${key} ${localMode}`);
    for (const method of service.methods) {
      lines.add(describeMethod(method));
      addMessage(method.input, lines, seen);
      addMessage(method.output, lines, seen);
    }
  }
  return createHash("sha256")
    .update([...lines].sort().join("\n"))
    .digest("hex")
    .slice(0, 16);
}

function describeMethod(method: DescMethod): string {
  const policy = methodPolicyOf(method);
  const resolver = policy.resolver === undefined ? "-" : `${policy.resolver.kind}(${policy.resolver.path})`;
  return [
    `method ${method.parent.typeName}/${method.name}`,
    method.methodKind,
    method.idempotency,
    method.input.typeName,
    method.output.typeName,
    resolver,
    [...policy.allowedCallers].sort().join(","),
    policy.timeoutMs,
    policy.absentIfUnmapped,
    method.deprecated,
  ].join(" ");
}

function addMessage(message: DescMessage, lines: Set<string>, seen: Set<DescMessage | DescEnum>): void {
  if (seen.has(message)) return;
  seen.add(message);
  for (const field of message.fields) {
    const type = field.message ?? field.enum;
    lines.add(
      `field ${message.typeName} ${describeField(field)} ${type?.typeName ?? field.scalar} ${field.deprecated}`,
    );
    if (field.message !== undefined) addMessage(field.message, lines, seen);
    if (field.enum !== undefined) addEnum(field.enum, lines, seen);
  }
}

function describeField(field: DescField): string {
  const { number, name, fieldKind, presence, oneof } = field;
  return `${number} ${name} ${fieldKind} ${presence} ${oneof?.name ?? "-"}`;
}

function addEnum(type: DescEnum, lines: Set<string>, seen: Set<DescMessage | DescEnum>): void {
  if (seen.has(type)) return;
  seen.add(type);
  for (const { number, name } of type.values) lines.add(`value ${type.typeName} ${number} ${name}`);
}
