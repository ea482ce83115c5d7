import { hasOption } from "@bufbuild/protobuf";
import { outbox } from "@cellway/gen/cellway/contract/v1/options";
import { type Category, categoryOf, indexCategories, OutboxCategoryError } from "@cellway/outbox/category";
import type { Contract } from "../contract-files.js";
import type { Finding } from "../finding.js";

/** Lints every outbox category, in the words of the code that sends and receives them. */
export function lintOutbox({ messages }: Contract): Finding[] {
  const findings: Finding[] = [];
  const byNumber = new Map<number, Category>();
  const attempt = (content: Category["content"], run: () => void) => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof OutboxCategoryError)) throw error;
      findings.push({ ruleId: "OUTBOX_STATES_POLICY", message: error.message, at: content });
    }
  };
  for (const content of messages.values()) {
    if (!hasOption(content, outbox)) continue;
    attempt(content, () => {
      const category = categoryOf(content);
      const twin = byNumber.get(category.number);
      if (twin === undefined) byNumber.set(category.number, category);
      else indexCategories([{ category: twin }, { category }]);
    });
  }
  for (const category of byNumber.values()) {
    const lane = byNumber.get(category.lane);
    const others = lane === undefined || lane === category ? [] : [{ category: lane }];
    attempt(category.content, () => indexCategories([{ category }, ...others]));
  }
  return findings;
}
