import { compareFields } from "./breaking/fields.js";
import { compareMethods } from "./breaking/methods.js";
import { compareOutboxes } from "./breaking/outbox.js";
import { pairUp } from "./breaking/pair.js";
import { compareReserved } from "./breaking/reserved.js";
import { compareDeclarations } from "./breaking/types.js";
import { compareValidation } from "./breaking/validation.js";
import { readContract } from "./contract-files.js";
import type { Finding } from "./finding.js";
import { lintNames } from "./lint/names.js";
import { lintOutbox } from "./lint/outbox.js";
import { lintServices } from "./lint/services.js";
import { locate } from "./locate.js";
import type { Annotation, CheckRequest } from "./protocol.js";
import { RULES } from "./rules.js";

const LINT = [lintServices, lintNames, lintOutbox];
const BREAKING = [
  compareMethods,
  compareFields,
  compareValidation,
  compareDeclarations,
  compareReserved,
  compareOutboxes,
];

/** Checks what buf asks for: by rules of lint what is there, by rules of breaking what has changed. */
export function check({ files, againstFiles, ruleIds }: CheckRequest): Annotation[] {
  const isWanted = ({ id }: { readonly id: string }) => ruleIds.size === 0 || ruleIds.has(id);
  const now = readContract(files);
  const findings: Finding[] = [];
  if (RULES.some((rule) => rule.kind === "lint" && isWanted(rule))) findings.push(...LINT.flatMap((lint) => lint(now)));
  if (RULES.some((rule) => rule.kind === "breaking" && isWanted(rule))) {
    const pair = pairUp(readContract(againstFiles), now);
    findings.push(...BREAKING.flatMap((compare) => compare(pair)));
  }
  return findings.filter(({ ruleId }) => isWanted({ id: ruleId })).map(toAnnotation);
}

function toAnnotation({ ruleId, message, at, was }: Finding): Annotation {
  return {
    ruleId,
    message,
    at: at === undefined ? undefined : locate(at),
    againstAt: was === undefined ? undefined : locate(was),
  };
}
