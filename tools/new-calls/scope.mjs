/**
 * A name that a piece of code can see.
 * @typedef {object} Binding
 * @property {"const" | "variable" | "function" | "parameter" | "import"} kind
 * @property {any} [init] What it is set to: an expression, or the function.
 * @property {any} [annotation] The type that is written beside it.
 * @property {string} [imported] The name that it has where it comes from.
 * @property {Scope} scope Where it stands.
 */

/** The names of one block, function or file. */
export class Scope {
  /** @type {Map<string, Binding>} */
  #bindings = new Map();

  /** @param {Scope} [parent] */
  constructor(parent) {
    this.parent = parent;
  }

  /**
   * @param {string} name
   * @returns {Binding | undefined}
   */
  find(name) {
    return this.#bindings.get(name) ?? this.parent?.find(name);
  }

  /**
   * @param {string} name
   * @param {Omit<Binding, "scope">} binding
   */
  add(name, binding) {
    this.#bindings.set(name, { ...binding, scope: this });
  }

  /**
   * Adds what the statements of a block declare.
   * @param {readonly any[]} statements
   */
  addStatements(statements) {
    for (const statement of statements) {
      const declared = statement.type.startsWith("Export") ? statement.declaration : statement;
      if (declared?.type === "VariableDeclaration") this.addVariables(declared);
      if (declared?.type === "FunctionDeclaration" && declared.id) {
        this.add(declared.id.name, { kind: "function", init: declared });
      }
      if (statement.type === "ImportDeclaration") {
        for (const { local, imported } of statement.specifiers) {
          this.add(local.name, { kind: "import", imported: imported?.name ?? local.name });
        }
      }
    }
  }

  /** @param {any} declaration */
  addVariables(declaration) {
    const kind = declaration.kind === "const" ? "const" : "variable";
    for (const { id, init } of declaration.declarations) {
      if (id.type === "Identifier") this.add(id.name, { kind, init, annotation: id.typeAnnotation });
      else this.#addPattern(id);
    }
  }

  /** @param {readonly any[]} parameters */
  addParameters(parameters) {
    for (const parameter of parameters) {
      const target = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
      const { name, typeAnnotation } = target.type === "TSParameterProperty" ? target.parameter : target;
      if (typeof name === "string") this.add(name, { kind: "parameter", annotation: typeAnnotation });
      else this.#addPattern(target);
    }
  }

  /**
   * Adds the names of a pattern, so that none of them is taken for one outside.
   * @param {any} pattern
   * @returns {void}
   */
  #addPattern(pattern) {
    switch (pattern?.type) {
      case "Identifier":
        return this.add(pattern.name, { kind: "variable" });
      case "ObjectPattern":
        for (const property of pattern.properties) this.#addPattern(property.value ?? property.argument);
        return;
      case "ArrayPattern":
        for (const element of pattern.elements) this.#addPattern(element);
        return;
      case "AssignmentPattern":
        return this.#addPattern(pattern.left);
      case "RestElement":
        return this.#addPattern(pattern.argument);
    }
  }
}

/**
 * An expression without what only tells types or groups.
 * @param {any} node
 * @returns {any}
 */
export function unwrap(node) {
  switch (node?.type) {
    case "ParenthesizedExpression":
    case "TSAsExpression":
    case "TSNonNullExpression":
    case "TSSatisfiesExpression":
    case "ChainExpression":
      return unwrap(node.expression);
    default:
      return node;
  }
}

/**
 * The name of the property that an expression reads; undefined where it is computed.
 * @param {any} node
 * @returns {string | undefined}
 */
export function propertyOf(node) {
  if (node?.type !== "MemberExpression") return undefined;
  if (!node.computed) return node.property.name;
  return node.property.type === "Literal" ? String(node.property.value) : undefined;
}

/**
 * The generated constant that an expression names: `OrganizationService`, whatever it was imported as.
 * @param {any} node
 * @param {Scope} scope
 * @returns {string | undefined}
 */
export function constantOf(node, scope) {
  const expression = unwrap(node);
  if (expression?.type !== "Identifier") return undefined;
  const binding = scope.find(expression.name);
  return binding?.kind === "import" ? binding.imported : undefined;
}

/**
 * The service whose client an expression is, where that can be told from this file.
 * @param {any} node
 * @param {Scope} scope
 * @param {string} text The file.
 * @returns {string | undefined}
 */
export function serviceOf(node, scope, text, depth = 0) {
  const expression = unwrap(node);
  if (depth > 8 || expression === null || expression === undefined) return undefined;
  const again = (/** @type {any} */ next, /** @type {Scope} */ at) => serviceOf(next, at, text, depth + 1);
  if (expression.type === "AwaitExpression") return again(expression.argument, scope);
  if (expression.type === "CallExpression") {
    const property = propertyOf(unwrap(expression.callee));
    if (property === "client" || unwrap(expression.callee).name === "createClient")
      return constantOf(expression.arguments[0], scope);
    return property === undefined ? again(expression.callee, scope) : undefined;
  }
  if (isFunction(expression)) {
    const typed = serviceInType(expression.returnType, text);
    return typed ?? (expression.body?.type === "BlockStatement" ? undefined : again(expression.body, scope));
  }
  if (expression.type !== "Identifier") return undefined;
  const binding = scope.find(expression.name);
  return binding && (serviceInType(binding.annotation, text) ?? again(binding.init, binding.scope));
}

/**
 * @param {any} annotation
 * @param {string} text
 */
function serviceInType(annotation, text) {
  if (annotation === null || annotation === undefined) return undefined;
  return /\bClient<\s*typeof (\w+)\s*>/.exec(text.slice(annotation.start, annotation.end))?.[1];
}

/** @param {any} node */
export function isFunction(node) {
  return ["ArrowFunctionExpression", "FunctionExpression", "FunctionDeclaration"].includes(node?.type);
}
