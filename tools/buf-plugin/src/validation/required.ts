import type { DescField } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as Presence, FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { IGNORES, type Parts, partsOf } from "./parts.js";

/** Whether a message in which a field is not set is refused because of it. */
export function needsValue(field: DescField): boolean {
  const parts = partsOf(field);
  if (parts.ignores === IGNORES.always) return false;
  if (parts.isRequired) return true;
  if (field.presence !== Presence.IMPLICIT || parts.ignores === IGNORES.zero) return false;
  return !acceptsZero(parts, field);
}

/** Whether the rules bear what a field without presence has when nobody sets it. What cannot be said counts as no. */
export function acceptsZero(parts: Parts, field: DescField): boolean {
  const zero = zeroOf(field);
  if (parts.cel.size > 0 || parts.refused.has(zero)) return false;
  if (parts.allowed !== undefined && !parts.allowed.has(zero)) return false;
  for (const { lower, upper } of parts.ranges.values()) {
    if (lower !== undefined && (lower.value > 0 || (lower.value === 0 && lower.isOpen))) return false;
    if (upper !== undefined && (upper.value < 0 || (upper.value === 0 && upper.isOpen))) return false;
  }
  return [...parts.exact].every(([name, value]) => name === "pattern" && matchesNothing(value));
}

function matchesNothing(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u").test("");
  } catch {
    return false;
  }
}

function zeroOf({ proto, fieldKind }: DescField): string {
  if (fieldKind === "list" || fieldKind === "map" || proto.type === Type.STRING || proto.type === Type.BYTES) return "";
  return proto.type === Type.BOOL ? "false" : "0";
}
