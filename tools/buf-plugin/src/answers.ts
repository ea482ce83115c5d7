import { writeCategories, writeRules, writeSpec } from "./protocol.js";
import { CATEGORY, RULES } from "./rules.js";

/** What the plugin answers whatever is checked: the files of answers/, which write-answers.js writes. */
export function formatAnswers(): Readonly<Record<string, Uint8Array>> {
  return {
    "spec.binpb": writeSpec(),
    "rules.binpb": writeRules(RULES, CATEGORY.id),
    "categories.binpb": writeCategories(CATEGORY),
  };
}
