import type { AnyDesc, DescEnum, DescExtension, DescMessage } from "@bufbuild/protobuf";
import type { Location } from "./protocol.js";

/** Field numbers of descriptor.proto. */
const IN_FILE = { message: 4, enum: 5, service: 6, extension: 7 } as const;
const IN_MESSAGE = { field: 2, message: 3, enum: 4, extension: 6, oneof: 8 } as const;
const METHOD_OF_SERVICE = 2;
const VALUE_OF_ENUM = 2;

/** Where a descriptor stands in its file. */
export function locate(desc: AnyDesc): Location {
  if (desc.kind === "file") return { file: desc.proto.name, path: [] };
  return { file: fileOf(desc), path: pathOf(desc) };
}

function fileOf(desc: Exclude<AnyDesc, { kind: "file" }>): string {
  switch (desc.kind) {
    case "rpc":
    case "field":
    case "oneof":
    case "enum_value":
      return desc.parent.file.proto.name;
    default:
      return desc.file.proto.name;
  }
}

function pathOf(desc: AnyDesc): number[] {
  switch (desc.kind) {
    case "file":
      return [];
    case "service":
      return [IN_FILE.service, desc.file.proto.service.indexOf(desc.proto)];
    case "rpc":
      return [...pathOf(desc.parent), METHOD_OF_SERVICE, desc.parent.proto.method.indexOf(desc.proto)];
    case "enum_value":
      return [...pathOf(desc.parent), VALUE_OF_ENUM, desc.parent.proto.value.indexOf(desc.proto)];
    case "field":
      return [...pathOf(desc.parent), IN_MESSAGE.field, desc.parent.proto.field.indexOf(desc.proto)];
    case "oneof":
      return [...pathOf(desc.parent), IN_MESSAGE.oneof, desc.parent.proto.oneofDecl.indexOf(desc.proto)];
    default:
      return pathOfType(desc);
  }
}

function pathOfType(desc: DescMessage | DescEnum | DescExtension): number[] {
  const { parent } = desc;
  if (parent === undefined) {
    const { proto } = desc.file;
    if (desc.kind === "message") return [IN_FILE.message, proto.messageType.indexOf(desc.proto)];
    if (desc.kind === "enum") return [IN_FILE.enum, proto.enumType.indexOf(desc.proto)];
    return [IN_FILE.extension, proto.extension.indexOf(desc.proto)];
  }
  const within = pathOf(parent);
  if (desc.kind === "message") return [...within, IN_MESSAGE.message, parent.proto.nestedType.indexOf(desc.proto)];
  if (desc.kind === "enum") return [...within, IN_MESSAGE.enum, parent.proto.enumType.indexOf(desc.proto)];
  return [...within, IN_MESSAGE.extension, parent.proto.extension.indexOf(desc.proto)];
}
