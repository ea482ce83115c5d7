import { createFileRegistry, fromBinary, getOption } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** @typedef {import("@bufbuild/protobuf").DescMessage} DescMessage */
/** @typedef {import("@bufbuild/protobuf").DescMethod} DescMethod */
/** @typedef {import("@bufbuild/protobuf").FileRegistry} FileRegistry */

/**
 * A method that some release that may still run does not have.
 * @typedef {object} NewMethod
 * @property {string} service The name of the generated constant: `OrganizationService`.
 * @property {string} localName As a client has it: `getOrganization`.
 * @property {"CONTROL" | "CELL"} localMode
 * @property {string[]} lacking The releases.
 */

/**
 * A field of a request that some release that may still run does not have.
 * @typedef {object} NewField
 * @property {string} name As the contract writes it: `display_name`.
 * @property {string} localName As code writes it: `displayName`.
 * @property {string} message The message's short name.
 * @property {string[]} lacking The releases.
 * @property {Omit<NewMethod, "lacking">[]} methods Those whose request leads to it.
 */

/** @typedef {{methods: NewMethod[], fields: NewField[]}} News */

/** The number of SILO_MODE_CONTROL. */
const MODE_CONTROL = 1;

/**
 * @param {Uint8Array} image What `buf build` wrote.
 * @returns {FileRegistry}
 */
export function readImage(image) {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
}

/**
 * What the tree's contract has and some release does not.
 * @param {FileRegistry} current
 * @param {ReadonlyMap<string, FileRegistry>} releases By version.
 * @returns {News}
 */
export function findNews(current, releases) {
  const methods = [...current].flatMap((type) => (type.kind === "service" ? type.methods : [])).filter(isOurs);
  return { methods: findNewMethods(current, methods, releases), fields: findNewFields(current, methods, releases) };
}

/** @param {DescMethod} method */
function isOurs(method) {
  return method.parent.typeName.startsWith("cellway.");
}

/**
 * @param {FileRegistry} current
 * @param {readonly DescMethod[]} methods
 * @param {ReadonlyMap<string, FileRegistry>} releases
 * @returns {NewMethod[]}
 */
function findNewMethods(current, methods, releases) {
  return methods.flatMap((method) => {
    const lacking = lackingIn(releases, (release) => findMethod(release, method) !== undefined);
    return lacking.length === 0 ? [] : [{ ...describeMethod(current, method), lacking }];
  });
}

/**
 * A message that a release does not have at all is only reached through a field, or by a method, that is new itself.
 * @param {FileRegistry} current
 * @param {readonly DescMethod[]} methods
 * @param {ReadonlyMap<string, FileRegistry>} releases
 * @returns {NewField[]}
 */
function findNewFields(current, methods, releases) {
  /** @type {Map<DescMessage, DescMethod[]>} */
  const reachedBy = new Map();
  for (const method of methods) {
    for (const message of reach(method.input)) reachedBy.set(message, [...(reachedBy.get(message) ?? []), method]);
  }
  return [...reachedBy].flatMap(([message, reaching]) =>
    message.fields.flatMap((field) => {
      const lacking = lackingIn(releases, (release) => {
        const before = release.getMessage(message.typeName);
        return before === undefined || before.fields.some(({ number }) => number === field.number);
      });
      if (lacking.length === 0) return [];
      const described = reaching.map((method) => describeMethod(current, method));
      const { name, localName } = field;
      return [{ name, localName, message: message.name, lacking, methods: described }];
    }),
  );
}

/**
 * @param {ReadonlyMap<string, FileRegistry>} releases
 * @param {(release: FileRegistry) => boolean} has
 */
function lackingIn(releases, has) {
  return [...releases].filter(([, release]) => !has(release)).map(([version]) => version);
}

/**
 * @param {FileRegistry} registry
 * @param {DescMethod} method
 */
function findMethod(registry, method) {
  return registry.getService(method.parent.typeName)?.methods.find(({ name }) => name === method.name);
}

/**
 * @param {FileRegistry} registry
 * @param {DescMethod} method
 * @returns {Omit<NewMethod, "lacking">}
 */
function describeMethod(registry, { parent, localName }) {
  const option = registry.getExtension("cellway.contract.v1.service");
  const stated = /** @type {any} */ (option && getOption(parent, option));
  const localMode = readNumber(stated, "local_mode") === MODE_CONTROL ? "CONTROL" : "CELL";
  return { service: parent.name, localName, localMode };
}

/**
 * @param {any} message
 * @param {string} name
 */
function readNumber(message, name) {
  const camel = name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return message?.[camel];
}

/**
 * The messages inside a message, itself included.
 * @param {DescMessage} message
 * @param {Set<DescMessage>} [found]
 */
function reach(message, found = new Set()) {
  if (found.has(message)) return found;
  found.add(message);
  for (const field of message.fields) if (field.message !== undefined) reach(field.message, found);
  return found;
}
