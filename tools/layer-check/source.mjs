import { parseSync } from "oxc-parser";

/**
 * What the layer check wants to know of one TypeScript file.
 * @typedef {object} Source
 * @property {{specifier: string, line: number}[]} imports Static, dynamic, type-only and re-exports alike.
 * @property {number[]} environmentLines Lines that read the environment of the process.
 */

/**
 * Parses a file; a syntax error is the compiler's to report, and what could be parsed is still looked at.
 * @param {string} path
 * @param {string} text
 * @returns {Source}
 */
export function readSource(path, text) {
  const { program } = parseSync(path, text);
  /** @type {Source} */
  const source = { imports: [], environmentLines: [] };
  const lineAt = createLineIndex(text);
  visit(program, (node) => {
    const specifier = importedSpecifier(node);
    if (specifier !== undefined) source.imports.push({ specifier, line: lineAt(node.start) });
    if (readsEnvironment(node)) source.environmentLines.push(lineAt(node.start));
  });
  return source;
}

/**
 * @param {any} node
 * @returns {string | undefined}
 */
function importedSpecifier(node) {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return literal(node.source);
    case "TSExternalModuleReference":
      return literal(node.expression);
    case "CallExpression":
      return isRequire(node.callee) || isImportMetaResolve(node.callee) ? literal(node.arguments[0]) : undefined;
    default:
      return undefined;
  }
}

/** @param {any} node */
function literal(node) {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type === "TemplateLiteral" && node.expressions.length === 0) return node.quasis[0].value.cooked;
  return undefined;
}

/** @param {any} callee */
function isRequire(callee) {
  return callee.type === "Identifier" && callee.name === "require";
}

/** @param {any} callee */
function isImportMetaResolve(callee) {
  return (
    callee.type === "MemberExpression" && callee.object.type === "MetaProperty" && callee.property.name === "resolve"
  );
}

/**
 * `process.env`, `process["env"]`, `const { env } = process` and `import { env } from "node:process"`.
 * @param {any} node
 */
function readsEnvironment(node) {
  if (node.type === "MemberExpression") {
    const name = node.computed ? literal(node.property) : node.property.name;
    return name === "env" && isProcess(node.object);
  }
  if (node.type === "VariableDeclarator") {
    return node.id.type === "ObjectPattern" && isProcess(node.init) && node.id.properties.some(isEnvProperty);
  }
  if (node.type === "ImportDeclaration" && /^(node:)?process$/.test(node.source.value)) {
    return node.specifiers.some((/** @type {any} */ specifier) => specifier.imported?.name === "env");
  }
  return false;
}

/** @param {any} node */
function isProcess(node) {
  if (node?.type === "MemberExpression") return node.object.name === "globalThis" && node.property.name === "process";
  return node?.type === "Identifier" && node.name === "process";
}

/** @param {any} property */
function isEnvProperty(property) {
  return property.type === "Property" && property.key.name === "env";
}

/**
 * @param {any} node
 * @param {(node: any) => void} look
 */
function visit(node, look) {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, look);
  } else if (typeof node === "object" && node !== null && !(node instanceof RegExp)) {
    if (typeof node.type === "string") look(node);
    for (const child of Object.values(node)) {
      if (typeof child === "object" && child !== null) visit(child, look);
    }
  }
}

/**
 * @param {string} text
 * @returns {(offset: number) => number} The line, from 1, of an offset.
 */
function createLineIndex(text) {
  return (offset) => text.slice(0, offset).split("\n").length;
}
