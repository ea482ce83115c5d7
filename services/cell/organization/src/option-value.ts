import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { createInvalidFieldError } from "./errors.js";
import { assertText } from "./text.js";

/** The most bytes of an option, as JSON without spaces. */
export const OPTION_MAX_BYTES = 64 * 1024;
/** The most lists and objects around a value: fewer than a reader of binary messages takes (49). */
export const OPTION_DEPTH_MAX = 40;

/**
 * An option's value as JSON that can be stored, and that every transport can give back.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD when it is too large or too deep, or is not JSON: a part of it is unset, a
 * number is not finite, a text holds NUL or half of a surrogate pair.
 */
export function formatOption(value: Value): string {
  const json = JSON.stringify(toJsonValue(value, 0));
  if (Buffer.byteLength(json) <= OPTION_MAX_BYTES) return json;
  throw createInvalidFieldError("value", `must be at most ${OPTION_MAX_BYTES} bytes as JSON`);
}

function toJsonValue({ kind }: Value, depth: number): JsonValue {
  if (depth > OPTION_DEPTH_MAX)
    throw createInvalidFieldError("value", `must not be nested deeper than ${OPTION_DEPTH_MAX}`);
  switch (kind.case) {
    case undefined:
      throw createInvalidFieldError("value", "must be set, and every part of it");
    case "nullValue":
      return null;
    case "boolValue":
      return kind.value;
    case "numberValue":
      if (Number.isFinite(kind.value)) return kind.value;
      throw createInvalidFieldError("value", "must not hold a number that is not finite");
    case "stringValue":
      return toJsonText(kind.value);
    case "listValue":
      return kind.value.values.map((item) => toJsonValue(item, depth + 1));
    case "structValue":
      return toJsonObject(kind.value.fields, depth + 1);
  }
}

function toJsonObject(fields: Readonly<Record<string, Value>>, depth: number): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [toJsonText(name), toJsonValue(value, depth)]),
  );
}

function toJsonText(text: string): string {
  // Only a local call can bring half of a pair: protobuf knows no such text.
  if (/\p{Surrogate}/u.test(text)) throw createInvalidFieldError("value", "must not hold half of a surrogate pair");
  return assertText(text, "value");
}
