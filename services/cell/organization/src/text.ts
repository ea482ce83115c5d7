import { createInvalidFieldError } from "./errors.js";

/** Answers a text that PostgreSQL can store. @throws INVALID_ARGUMENT / INVALID_FIELD when a character of it is NUL. */
export function assertText(text: string, field: string): string {
  if (!text.includes("\0")) return text;
  throw createInvalidFieldError(field, "must not hold the character NUL");
}
