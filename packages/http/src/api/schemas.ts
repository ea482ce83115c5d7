import { z } from "zod";
import { ID_PATTERN, isId, SLUG_LENGTH_MAX, SLUG_PATTERN } from "../organization-key.js";
import type { Principal } from "./route.js";

/** Lower-case letters, digits and single dashes; never digits only, for that is an id. */
export const slugSchema = z
  .string()
  .min(1)
  .max(SLUG_LENGTH_MAX)
  .regex(SLUG_PATTERN, "must be lower-case letters, digits and single dashes")
  .refine((slug) => /[a-z-]/.test(slug), "must not be digits only: that is an id")
  .describe("Lower-case letters, digits and single dashes; not digits only, which is an id.");

/** An id in a path or a body. */
export const idParameter = z
  .string()
  .regex(ID_PATTERN, { error: "must be an id: digits only", abort: true })
  .refine(isId, "must be at most 9223372036854775807");

/** The user that a request speaks for, on a route that is not for anyone. */
export function userIdOf(principal: Principal | undefined): string {
  if (principal === undefined) throw new Error("A route that speaks of its caller was not guarded.");
  return principal.userId;
}
