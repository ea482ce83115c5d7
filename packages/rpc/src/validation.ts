import type { DescMethod } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type ValidationResult, type Validator } from "@bufbuild/protovalidate";
import { Code, type ConnectError } from "@connectrpc/connect";
import { createRpcError } from "./errors.js";

/**
 * A validator of contracts. Patterns are compiled once, as JavaScript regular expressions: those of our contracts
 * are written for both dialects, and an RE2 engine in JavaScript costs ten times as much.
 */
export function createContractValidator(): Validator {
  const patterns = new Map<string, RegExp>();
  return createValidator({
    regexMatch(pattern, against) {
      let compiled = patterns.get(pattern);
      if (compiled === undefined) {
        compiled = new RegExp(pattern, "u");
        patterns.set(pattern, compiled);
      }
      return compiled.test(against);
    },
  });
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD that names the first wrong field and its rule. */
export function assertValid(validator: Validator, method: DescMethod, message: object): void {
  const result = validator.validate(method.input, message as Parameters<Validator["validate"]>[1]);
  if (result.kind !== "valid") throw toInvalidArgument(result);
}

/**
 * The error for a message that breaks a rule of its contract. A rule that cannot be evaluated is a bug of the
 * contract, not of the caller.
 */
function toInvalidArgument(result: Exclude<ValidationResult, { kind: "valid" }>): ConnectError {
  if (result.kind === "error") {
    return createRpcError(Code.Internal, "INVALID_FIELD", "a rule of the contract cannot be evaluated", {
      cause: result.error,
    });
  }
  const [first] = result.violations;
  const field = first === undefined ? "" : pathToString(first.field);
  const more = result.violations.length > 1 ? ` (and ${result.violations.length - 1} more)` : "";
  const message = first?.message || first?.ruleId || "breaks a rule of its contract";
  return createRpcError(
    Code.InvalidArgument,
    "INVALID_FIELD",
    `${field === "" ? "the message" : field}: ${message}${more}`,
    {
      metadata: { field, rule: first?.ruleId ?? "" },
    },
  );
}
