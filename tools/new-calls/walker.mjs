import { factsOf, leaves } from "./guards.mjs";
import { isFunction, Scope } from "./scope.mjs";

/** @typedef {import("./contract.mjs").NewField} NewField */

/**
 * What holds at a place of the code.
 * @typedef {object} Place
 * @property {Scope} scope
 * @property {ReadonlySet<string>} facts See `factsOf`.
 * @property {readonly NewField[]} fields New fields of the request that is made here.
 */

/** Goes through the code of a file, and knows at each place which names it can see and what was asked before. */
export class Walker {
  /**
   * @param {any} node
   * @param {Place} place
   * @returns {void}
   */
  visit(node, place) {
    if (Array.isArray(node)) {
      for (const each of node) this.visit(each, place);
      return;
    }
    if (typeof node?.type !== "string") return;
    this.check(node, place);
    switch (node.type) {
      case "Program":
      case "BlockStatement":
      case "StaticBlock":
        return this.visitBlock(node.body, place);
      case "SwitchCase":
        this.visit(node.test, place);
        return this.visitBlock(node.consequent, place);
      case "IfStatement":
      case "ConditionalExpression":
        this.visit(node.test, place);
        this.visit(node.consequent, this.knowing(place, node.test, true));
        return this.visit(node.alternate, this.knowing(place, node.test, false));
      case "LogicalExpression":
        this.visit(node.left, place);
        return this.visit(
          node.right,
          node.operator === "??" ? place : this.knowing(place, node.left, node.operator === "&&"),
        );
      case "WhileStatement":
        this.visit(node.test, place);
        return this.visit(node.body, this.knowing(place, node.test, true));
      case "CallExpression":
        return this.visitCall(node, place);
      case "MemberExpression":
        // What an object is made of is not what is read of it.
        this.visit(node.object, { ...place, fields: [] });
        return node.computed ? this.visit(node.property, place) : undefined;
      case "Property":
        if (node.computed) this.visit(node.key, place);
        return this.visit(node.value, place);
      default:
        return this.visitChildren(node, this.inside(node, place));
    }
  }

  /**
   * @param {any} node
   * @param {Place} place
   */
  visitChildren(node, place) {
    for (const [key, child] of Object.entries(node)) {
      if (typeof child === "object" && child !== null && key !== "parent") this.visit(child, place);
    }
  }

  /**
   * @param {readonly any[]} statements
   * @param {Place} place
   */
  visitBlock(statements, place) {
    const scope = new Scope(place.scope);
    scope.addStatements(statements);
    const start = { ...place, scope };
    let here = start;
    for (const statement of statements) {
      // A function can be called before the line that it stands on.
      this.visit(statement, statement.type === "FunctionDeclaration" ? start : here);
      if (statement.type !== "IfStatement") continue;
      if (leaves(statement.consequent)) here = this.knowing(here, statement.test, false);
      else if (leaves(statement.alternate)) here = this.knowing(here, statement.test, true);
    }
  }

  /**
   * @param {Place} place
   * @param {any} test
   * @param {boolean} value
   * @returns {Place}
   */
  knowing(place, test, value) {
    const facts = factsOf(test, value, place.scope);
    return facts.length === 0 ? place : { ...place, facts: new Set([...place.facts, ...facts]) };
  }

  /**
   * The place inside of what has names of its own.
   * @param {any} node
   * @param {Place} place
   * @returns {Place}
   */
  inside(node, place) {
    const declaration = node.type.startsWith("For") ? (node.init ?? node.left) : undefined;
    const parameters = isFunction(node) ? node.params : node.type === "CatchClause" && node.param ? [node.param] : [];
    if (declaration?.type !== "VariableDeclaration" && parameters.length === 0) return place;
    const scope = new Scope(place.scope);
    scope.addParameters(parameters);
    if (declaration?.type === "VariableDeclaration") scope.addVariables(declaration);
    return { ...place, scope };
  }

  /**
   * @param {any} node
   * @param {Place} place
   */
  visitCall(node, place) {
    this.visitChildren(node, place);
  }

  /**
   * Called with every node, before what is in it.
   * @param {any} _node
   * @param {Place} _place
   */
  check(_node, _place) {}
}
