import { readContract } from "./contract-files.js";
import type { Finding } from "./finding.js";
import { locate } from "./locate.js";
import type { Annotation, CheckRequest } from "./protocol.js";
import { RULES } from "./rules.js";

/** Checks what buf asks for: by rules of lint what is there, by rules of breaking what has changed. */
export async function check({ files, againstFiles, ruleIds }: CheckRequest): Promise<Annotation[]> {
  const isWanted = ({ id }: { readonly id: string }) => ruleIds.size === 0 || ruleIds.has(id);
  const asks = (kind: "lint" | "breaking") => RULES.some((rule) => rule.kind === kind && isWanted(rule));
  const now = readContract(files);
  // buf asks for one of the two, and each loads much that the other has no need of.
  const findings: Finding[] = [
    ...(asks("lint") ? (await import("./lint/lint.js")).lint(now) : []),
    ...(asks("breaking") ? (await import("./breaking/compare.js")).compare(readContract(againstFiles), now) : []),
  ];
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
