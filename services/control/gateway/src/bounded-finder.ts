import type { RouteFinder } from "@cellway/http";
import { createQuestionsLimitError, type Finding, type Locator, type RouteKey } from "@cellway/locator";

/** Questions of strangers to the tables at a time: they may not take all of control's database connections. */
const QUESTIONS_MAX = 4;
/** In which the tables must have answered, in milliseconds. */
const QUESTION_TIMEOUT_MS = 2_000;

/**
 * Control's own routes for what strangers ask. Its locator asks the tables about whatever is not in memory, as often as it is asked,
 * because calls between silos must find an organization that was just created; what strangers make it ask is bounded here.
 */
export function boundQuestions(locator: Locator): RouteFinder {
  let questions = 0;
  const ask = (question: () => Promise<Finding>): Promise<Finding> => {
    if (questions >= QUESTIONS_MAX) return Promise.reject(createQuestionsLimitError(QUESTIONS_MAX));
    questions += 1;
    // The place is taken until the tables have answered, however long somebody still waits for it.
    const answer = question().finally(() => {
      questions -= 1;
    });
    return atMost(QUESTION_TIMEOUT_MS, answer);
  };
  return {
    memory: locator.memory,
    find: (key) => {
      const find = () => locator.find(key);
      return locator.findKnown(key) === undefined ? ask(find) : find();
    },
    findAnew: (key: RouteKey) =>
      ask(() => locator.findAnew(key)).catch((error: unknown) => {
        const known = locator.findKnown(key);
        if (known === undefined) throw error;
        return known;
      }),
  };
}

function atMost<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("The directory did not answer in time.")), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
