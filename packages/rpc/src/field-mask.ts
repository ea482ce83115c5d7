import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { createRpcError } from "./errors.js";

/**
 * Reads an update mask: the set of paths to change.
 *
 * @throws INVALID_ARGUMENT / INVALID_FIELD when it is empty or names a path outside of `allowed`.
 */
export function readUpdateMask<P extends string>(mask: FieldMask | undefined, allowed: readonly P[]): ReadonlySet<P> {
  const paths = mask?.paths ?? [];
  const wrong = paths.find((path) => !allowed.includes(path as P));
  if (paths.length === 0 || wrong !== undefined) {
    const problem = wrong === undefined ? "must name at least one path" : `${wrong} cannot be updated`;
    throw createRpcError(
      Code.InvalidArgument,
      "INVALID_FIELD",
      `update_mask: ${problem}; allowed are ${allowed.join(", ")}`,
      {
        metadata: { field: "update_mask" },
      },
    );
  }
  return new Set(paths as P[]);
}
