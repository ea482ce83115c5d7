import { parseSync } from "oxc-parser";
import { propertyOf, Scope, serviceOf, unwrap } from "./scope.mjs";
import { Walker } from "./walker.mjs";

/** @typedef {import("./contract.mjs").News} News */
/** @typedef {import("./contract.mjs").NewField} NewField */
/** @typedef {import("./walker.mjs").Place} Place */

/**
 * A use of what is not everywhere yet.
 * @typedef {object} Finding
 * @property {string} file
 * @property {number} line
 * @property {string} what
 * @property {string} guard What would have to be asked.
 * @property {readonly string[]} lacking Releases.
 */

/** A line that says that a name like a new method's is something else. */
const MARK = /\/\/ not an RPC: \S/;

/**
 * The uses in one file. The side is the one that its code runs in, if it is one: what runs in the same process was built
 * with it. A syntax error is the compiler's to report.
 * @param {string} file
 * @param {string} text
 * @param {News} news
 * @param {"CONTROL" | "CELL"} [side]
 * @returns {Finding[]}
 */
export function scanSource(file, text, news, side) {
  const methods = news.methods.filter(({ localMode }) => localMode !== side);
  const fields = news.fields
    .map((field) => ({ ...field, methods: field.methods.filter(({ localMode }) => localMode !== side) }))
    .filter((field) => field.methods.length > 0);
  const names = [...methods, ...fields].map(({ localName }) => localName);
  if (!names.some((name) => text.includes(name))) return [];
  const scanner = new Scanner(file, text, { methods, fields });
  scanner.visit(parseSync(file, text).program, { scope: new Scope(), facts: new Set(), fields: [] });
  return scanner.findings;
}

class Scanner extends Walker {
  /** @type {Finding[]} */
  findings = [];
  /**
   * Functions and constants whose value is part of a request, so that one that leads to itself ends.
   * @type {Set<any>}
   */
  #following = new Set();

  /**
   * @param {string} file
   * @param {string} text
   * @param {News} news
   */
  constructor(file, text, news) {
    super();
    this.file = file;
    this.text = text;
    this.news = news;
    this.lines = text.split("\n");
  }

  /**
   * @override
   * @param {any} node
   * @param {Place} place
   */
  visitCall(node, place) {
    this.visit(node.callee, { ...place, fields: [] });
    const fields = this.#fieldsOfRequest(node, place);
    for (const argument of node.arguments) {
      this.visit(argument, fields.length === 0 ? place : { ...place, fields });
    }
    if (place.fields.length > 0) this.#follow(unwrap(node.callee), place);
  }

  /**
   * The new fields of the request that a call makes, or is given to make one.
   * @param {any} node
   * @param {Place} place
   * @returns {readonly NewField[]}
   */
  #fieldsOfRequest(node, place) {
    const callee = unwrap(node.callee);
    if (callee.name === "create") {
      const schema = unwrap(node.arguments[0])?.name;
      return [
        ...place.fields,
        ...this.news.fields.filter(({ message }) => schema === `${message}Schema` && message.endsWith("Request")),
      ];
    }
    const name = propertyOf(callee);
    if (name === undefined) return place.fields;
    const service = serviceOf(callee.object, place.scope, this.text);
    const isOf = (/** @type {{service: string, localName: string}} */ method) =>
      method.localName === name && (service === undefined || service === method.service);
    const found = this.news.fields.filter(({ methods }) => methods.some(isOf));
    return [...place.fields, ...found.map((field) => ({ ...field, methods: field.methods.filter(isOf) }))];
  }

  /**
   * @override
   * @param {any} node
   * @param {Place} place
   */
  check(node, place) {
    if (node.type === "MemberExpression") this.#checkMember(node, place);
    if (node.type === "VariableDeclarator" && node.id.type === "ObjectPattern") this.#checkPattern(node, place);
    if (node.type === "AssignmentExpression") this.#checkAssignment(node, place);
    if (place.fields.length === 0) return;
    if (node.type === "Property") this.#checkProperty(node, place);
    if (node.type === "Identifier") this.#follow(node, place);
  }

  /**
   * @param {any} node
   * @param {Place} place
   */
  #checkMember(node, place) {
    const name = propertyOf(node);
    const object = unwrap(node.object);
    // `Service.method.name` names the method, and `this.name` is the class's own.
    if (name === undefined || propertyOf(object) === "method" || object.type === "ThisExpression") return;
    this.#checkMethod(node, name, object, place);
  }

  /**
   * @param {any} node
   * @param {Place} place
   */
  #checkPattern(node, place) {
    const init = unwrap(node.init);
    if (propertyOf(init) === "method") return;
    for (const property of node.id.properties) {
      if (property.type === "Property" && !property.computed)
        this.#checkMethod(property, property.key.name, init, place);
    }
  }

  /**
   * @param {any} node
   * @param {string} name
   * @param {any} receiver
   * @param {Place} place
   */
  #checkMethod(node, name, receiver, place) {
    const candidates = this.news.methods.filter(({ localName }) => localName === name);
    if (candidates.length === 0) return;
    const service = serviceOf(receiver, place.scope, this.text);
    for (const method of candidates) {
      const guard = `${method.service}.method.${name}`;
      if (service !== undefined && service !== method.service) continue;
      if (place.facts.has(`${method.service}.${name}`)) continue;
      this.#report(node, { what: `calls ${method.service}.${name}`, guard, lacking: method.lacking });
    }
  }

  /**
   * @param {any} node
   * @param {Place} place
   */
  #checkAssignment(node, place) {
    const name = propertyOf(unwrap(node.left));
    for (const field of this.news.fields) {
      const makers = [`${field.message}Schema`, ...field.methods.map(({ localName }) => `.${localName}`)];
      const isMade = makers.some((maker) => this.text.includes(maker));
      if (field.localName === name && isMade) this.#checkField(node, field, place);
    }
  }

  /**
   * @param {any} node
   * @param {Place} place
   */
  #checkProperty(node, place) {
    const name = node.key.name ?? node.key.value;
    // A member of a oneof is named by its `case`.
    const member = name === "case" ? unwrap(node.value).value : undefined;
    for (const field of place.fields) {
      if (field.localName === name || field.localName === member) this.#checkField(node, field, place);
    }
  }

  /**
   * @param {any} node
   * @param {NewField} field
   * @param {Place} place
   */
  #checkField(node, field, place) {
    const isGuarded = (/** @type {{service: string, localName: string}} */ { service, localName }) =>
      [...place.facts].some((fact) => {
        const [method, path = ""] = fact.split("#");
        return method === `${service}.${localName}` && path.split(".").includes(field.name);
      });
    const [first] = field.methods;
    if (field.methods.some(isGuarded) || first === undefined) return;
    const guard = `${first.service}.method.${first.localName}, request, { field: "…${field.name}" }`;
    this.#report(node, { what: `sets ${field.message}.${field.name}`, guard, lacking: field.lacking });
  }

  /**
   * Looks at what a name stands for as a part of the request that is made here.
   * @param {any} node
   * @param {Place} place
   */
  #follow(node, place) {
    if (node?.type !== "Identifier") return;
    const binding = place.scope.find(node.name);
    const { init } = binding ?? {};
    if (binding === undefined || init === null || init === undefined || this.#following.has(init)) return;
    this.#following.add(init);
    this.visit(init, { ...place, scope: binding.scope });
    this.#following.delete(init);
  }

  /**
   * @param {any} node
   * @param {{what: string, guard: string, lacking: readonly string[]}} found
   */
  #report(node, found) {
    const line = this.text.slice(0, node.start).split("\n").length;
    if ([line - 1, line - 2].some((index) => MARK.test(this.lines[index] ?? ""))) return;
    const isKnown = this.findings.some((each) => each.line === line && each.what === found.what);
    if (!isKnown) this.findings.push({ file: this.file, line, ...found });
  }
}
