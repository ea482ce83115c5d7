/** @typedef {import("./files.mjs").Node} Node */

/**
 * `schema.name` of a table, index or sequence.
 * @param {Node} range
 */
export function nameOf(range) {
  return range["schemaname"] === undefined ? range["relname"] : `${range["schemaname"]}.${range["relname"]}`;
}

/**
 * The words of a dotted name.
 * @param {Node[]} strings
 * @returns {string[]}
 */
export function wordsOf(strings) {
  return strings.flatMap((node) => (node["String"] === undefined ? [] : [node["String"].sval]));
}

/**
 * What a `drop` statement names, each as a dotted name; of a trigger `schema.table.trigger`.
 * @param {Node} drop
 * @returns {string[]}
 */
export function droppedNames(drop) {
  return /** @type {Node[]} */ (drop["objects"]).map((object) => {
    const strings = object["List"]?.items ?? object["ObjectWithArgs"]?.objname ?? object["TypeName"]?.names ?? [object];
    return wordsOf(strings).join(".");
  });
}

/**
 * Every node of a kind below a node.
 * @param {unknown} root
 * @param {string} kind
 * @returns {Node[]}
 */
export function findNodes(root, kind) {
  if (Array.isArray(root)) return root.flatMap((item) => findNodes(item, kind));
  if (typeof root !== "object" || root === null) return [];
  return Object.entries(root).flatMap(([key, value]) => [
    ...(key === kind ? [/** @type {Node} */ (value)] : []),
    ...findNodes(value, kind),
  ]);
}

/**
 * The columns that an expression names.
 * @param {unknown} expression
 * @returns {string[]}
 */
export function columnsOf(expression) {
  return findNodes(expression, "ColumnRef").flatMap((reference) => wordsOf(reference["fields"]).slice(-1));
}

/**
 * The constraints of a column definition.
 * @param {Node} column
 * @returns {Node[]}
 */
export function constraintsOf(column) {
  return /** @type {Node[]} */ (column["constraints"] ?? []).map((item) => item["Constraint"]);
}

/**
 * Whether `a` is an older release than `b`. Both are `1.2.3`.
 * @param {string} a
 * @param {string} b
 */
export function isOlder(a, b) {
  const [left, right] = [a, b].map((text) => text.split(".").map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
