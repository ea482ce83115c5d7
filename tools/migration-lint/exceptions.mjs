/** @typedef {import("./lint.mjs").Finding} Finding */
/** @typedef {{file: string, rule: string, on: string[], because: string}} Exception */

/** The fewest characters that can say why. */
const REASON_MIN = 20;

/**
 * The findings that no exception covers, and a finding for each exception that covers none.
 * @param {readonly Finding[]} findings
 * @param {readonly Exception[]} exceptions
 * @returns {Finding[]}
 */
export function applyExceptions(findings, exceptions) {
  const covered = new Set();
  const left = findings.filter((finding) => {
    const keys = exceptions.flatMap(({ file, rule, on }) => on.map((name) => keyOf({ file, rule, on: name })));
    if (!keys.includes(keyOf(finding))) return true;
    covered.add(keyOf(finding));
    return false;
  });
  const faults = exceptions.flatMap((exception) =>
    faultsOf(exception, covered).map((detail) => ({
      file: exception.file,
      line: 1,
      rule: "exception",
      on: "",
      detail,
    })),
  );
  return [...left, ...faults];
}

/**
 * @param {Exception} exception
 * @param {Set<string>} covered
 */
function faultsOf({ file, rule, on, because }, covered) {
  const unneeded = on.filter((name) => !covered.has(keyOf({ file, rule, on: name })));
  return [
    ...unneeded.map((name) => `no exception is needed for ${rule} on "${name}": take it out`),
    ...(because.trim().length < REASON_MIN ? [`the exception for ${rule} says no reason`] : []),
  ];
}

/** @param {{file: string, rule: string, on: string}} finding */
function keyOf({ file, rule, on }) {
  return `${file} ${rule} ${on}`;
}
