/**
 * Whether a path with forward slashes matches one of the patterns: `*` is one segment or a part of it, `**` any number.
 * @param {readonly string[]} patterns
 * @param {string} path
 */
export function matchesAny(patterns, path) {
  return patterns.some((pattern) => toRegExp(pattern).test(path));
}

/** @type {Map<string, RegExp>} */
const compiled = new Map();

/** @param {string} pattern */
function toRegExp(pattern) {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    const source = pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*\*\/|\*\*|\*/g, (stars) => (stars === "**/" ? "(?:.*/)?" : stars === "**" ? ".*" : "[^/]*"));
    expression = new RegExp(`^${source}$`);
    compiled.set(pattern, expression);
  }
  return expression;
}
