import { constantOf, propertyOf, unwrap } from "./scope.mjs";

/** @typedef {import("./scope.mjs").Scope} Scope */

/**
 * What is known where an expression is true, or false: `OrganizationService.getOrganization` for a method that the other
 * end has, with `#path` for a field of its request.
 * @param {any} node
 * @param {boolean} value
 * @param {Scope} scope
 * @returns {string[]}
 */
export function factsOf(node, value, scope, depth = 0) {
  const expression = unwrap(node);
  if (depth > 16 || !expression) return [];
  const again = (/** @type {any} */ next, wanted = value) => factsOf(next, wanted, scope, depth + 1);
  switch (expression.type) {
    case "UnaryExpression":
      return expression.operator === "!" ? again(expression.argument, !value) : [];
    case "LogicalExpression": {
      const holdsBoth = (expression.operator === "&&" && value) || (expression.operator === "||" && !value);
      return holdsBoth ? [...again(expression.left), ...again(expression.right)] : [];
    }
    case "AwaitExpression":
      // Without `await` it is a promise, which is always true.
      return value ? factsOfCall(unwrap(expression.argument), scope) : [];
    case "Identifier": {
      const binding = scope.find(expression.name);
      return binding?.kind === "const" ? factsOf(binding.init, value, binding.scope, depth + 1) : [];
    }
    default:
      return [];
  }
}

/**
 * @param {any} call
 * @param {Scope} scope
 * @returns {string[]}
 */
function factsOfCall(call, scope) {
  if (call?.type !== "CallExpression") return [];
  const callee = unwrap(call.callee);
  if ((propertyOf(callee) ?? callee.name) !== "peerSupports") return [];
  const method = methodOf(call.arguments[0], scope);
  if (method === undefined) return [];
  const path = fieldOf(unwrap(call.arguments[2]));
  return path === undefined ? [method] : [method, `${method}#${path}`];
}

/**
 * `Service.method.name`, or a constant that is one.
 * @param {any} node
 * @param {Scope} scope
 * @returns {string | undefined}
 */
function methodOf(node, scope) {
  const expression = unwrap(node);
  if (expression?.type === "Identifier") {
    const binding = scope.find(expression.name);
    return binding?.kind === "const" ? methodOf(binding.init, binding.scope) : undefined;
  }
  const name = propertyOf(expression);
  if (name === undefined || propertyOf(unwrap(expression.object)) !== "method") return undefined;
  const service = constantOf(unwrap(expression.object).object, scope);
  return service === undefined ? undefined : `${service}.${name}`;
}

/** @param {any} options */
function fieldOf(options) {
  if (options?.type !== "ObjectExpression") return undefined;
  const field = options.properties.find((/** @type {any} */ each) => each.key?.name === "field");
  return typeof field?.value?.value === "string" ? field.value.value : undefined;
}

/**
 * Whether nothing after a statement runs.
 * @param {any} statement
 * @returns {boolean}
 */
export function leaves(statement) {
  switch (statement?.type) {
    case "ReturnStatement":
    case "ThrowStatement":
    case "ContinueStatement":
    case "BreakStatement":
      return true;
    case "BlockStatement":
      return leaves(statement.body.at(-1));
    case "IfStatement":
      return leaves(statement.consequent) && leaves(statement.alternate);
    default:
      return false;
  }
}
