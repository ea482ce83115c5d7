import {
  clone,
  create,
  type DescField,
  type DescMessage,
  isMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";

const copiers = new WeakMap<DescMessage, Copier>();

/**
 * A message of its own: caller and implementation then share no object that either could change. Does what
 * `clone()` does, with a function made once per type; ten times as fast on small messages.
 */
export function copyMessage<D extends DescMessage>(desc: D, value: MessageInitShape<D>): MessageShape<D> {
  const copier = copierOf(desc);
  if (isMessage(value, desc)) return copier.copy(value) as MessageShape<D>;
  // What is made from plain values is new, but for the messages among them.
  const message = create(desc, value);
  copier.own(message, value);
  return message;
}

type Fields = Record<string, unknown>;

interface Copier {
  /** A copy of a message. */
  copy(message: object): object;
  /** Replaces, in a message that `create` made from `init`, what the two still share. */
  own(message: object, init: object): void;
}

function copierOf(desc: DescMessage): Copier {
  let copier = copiers.get(desc);
  if (copier === undefined) {
    copier = createCopier(desc);
    copiers.set(desc, copier);
  }
  return copier;
}

/** How one member of a message that could be shared is copied. */
interface NestedMember {
  readonly name: string;
  readonly copy: (value: unknown) => unknown;
  /** The type of a field that holds one message. */
  readonly message: DescMessage | undefined;
}

function createCopier(desc: DescMessage): Copier {
  // Messages of proto3 are plain objects; others keep their defaults on a prototype, and are copied the slow way.
  if (Object.getPrototypeOf(create(desc)) !== Object.prototype) {
    return {
      copy: (message) => clone(desc, message as MessageShape<DescMessage>),
      own: (message) => void Object.assign(message, clone(desc, message as never)),
    };
  }
  const nested = desc.members.map(describeMember).filter((member) => member !== undefined);
  return {
    copy(message) {
      const copy: Fields = { ...message };
      if (copy["$unknown"] !== undefined) copy["$unknown"] = [...(copy["$unknown"] as unknown[])];
      for (const { name, copy: copyValue } of nested) {
        const value = copy[name];
        if (value !== undefined) copy[name] = copyValue(value);
      }
      return copy;
    },
    own(target, source) {
      const [message, init] = [target as Fields, source as Fields];
      for (const { name, copy: copyValue, message: type } of nested) {
        const value = message[name];
        if (value === undefined) continue;
        if (type !== undefined && value !== init[name] && isFields(value) && isFields(init[name]))
          copierOf(type).own(value, init[name]);
        else message[name] = copyValue(value);
      }
    },
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function describeMember(member: DescMessage["members"][number]): NestedMember | undefined {
  if (member.kind === "oneof") return { name: member.localName, copy: copyOneof(member.fields), message: undefined };
  const step = copyField(member);
  return step === undefined
    ? undefined
    : { ...step, message: member.fieldKind === "message" ? member.message : undefined };
}

function copyField(field: DescField): { name: string; copy: (value: unknown) => unknown } | undefined {
  const copyOne = copyValueOf(field);
  switch (field.fieldKind) {
    case "list":
      return {
        name: field.localName,
        copy: (value) => (copyOne === undefined ? [...(value as unknown[])] : (value as unknown[]).map(copyOne)),
      };
    case "map":
      return { name: field.localName, copy: (value) => copyMap(value as Record<string, unknown>, copyOne) };
    default:
      return copyOne === undefined ? undefined : { name: field.localName, copy: copyOne };
  }
}

/** How one value of the field is copied; undefined for values that cannot change. */
function copyValueOf(field: DescField): ((value: unknown) => unknown) | undefined {
  const { message } = field;
  // A Struct is plain JSON here, not a message.
  if (message?.typeName === "google.protobuf.Struct") return (value) => structuredClone(value);
  if (message !== undefined) {
    // Wrappers such as BytesValue are held as what they wrap.
    return (value) => {
      if (value instanceof Uint8Array) return value.slice();
      return typeof value === "object" && value !== null ? copierOf(message).copy(value) : value;
    };
  }
  return field.scalar === SCALAR_BYTES ? (value) => (value as Uint8Array).slice() : undefined;
}

const SCALAR_BYTES = 12;

function copyMap(
  map: Record<string, unknown>,
  copyOne: ((value: unknown) => unknown) | undefined,
): Record<string, unknown> {
  if (copyOne === undefined) return { ...map };
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, copyOne(value)]));
}

function copyOneof(fields: readonly DescField[]): (value: unknown) => unknown {
  const copies = new Map(fields.map((field) => [field.localName, copyValueOf(field)]));
  return (group) => {
    const { case: name, value } = group as { case?: string; value?: unknown };
    if (name === undefined) return { case: undefined };
    const copyOne = copies.get(name);
    return { case: name, value: copyOne === undefined ? value : copyOne(value) };
  };
}
