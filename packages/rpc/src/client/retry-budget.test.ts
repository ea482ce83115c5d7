import { describe, expect, it } from "@jest/globals";
import { createRetryBudget } from "./retry-budget.js";

/** How many repetitions the budget gives before it says no. */
function spendAll(budget: ReturnType<typeof createRetryBudget>): number {
  let spent = 0;
  while (spent < 1_000 && budget.spend()) spent += 1;
  return spent;
}

describe("the retry budget", () => {
  it("starts full, so that the first failure after a start can be repeated", () => {
    expect(spendAll(createRetryBudget({ share: 0.1, savedMax: 20 }))).toBe(20);
  });

  it("gives no more than its share of the calls once it is spent: retries cannot multiply the load", () => {
    const budget = createRetryBudget({ share: 0.25, savedMax: 20 });
    spendAll(budget);
    let repeated = 0;
    for (let call = 0; call < 1_000; call += 1) {
      budget.earn();
      if (budget.spend()) repeated += 1;
    }
    expect(repeated).toBe(250);
  });

  it("saves no more than its maximum, however long nothing fails", () => {
    const budget = createRetryBudget({ share: 0.5, savedMax: 3 });
    for (let call = 0; call < 1_000; call += 1) budget.earn();
    expect(spendAll(budget)).toBe(3);
  });

  it("gives nothing for a part of a repetition", () => {
    const budget = createRetryBudget({ share: 0.5, savedMax: 3 });
    spendAll(budget);
    budget.earn();
    expect(budget.spend()).toBe(false);
    budget.earn();
    expect(budget.spend()).toBe(true);
    expect(budget.spend()).toBe(false);
  });

  it("never gives any when nothing may be saved", () => {
    const budget = createRetryBudget({ share: 1, savedMax: 0 });
    budget.earn();
    expect(budget.spend()).toBe(false);
  });
});
