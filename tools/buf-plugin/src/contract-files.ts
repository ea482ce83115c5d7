import {
  create,
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
} from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema, type SourceCodeInfo } from "@bufbuild/protobuf/wkt";
import type { ContractFile } from "./protocol.js";

/** What a set of files declares, imports left out, each by its full name. */
export interface Contract {
  readonly files: ReadonlyMap<string, DescFile>;
  readonly messages: ReadonlyMap<string, DescMessage>;
  readonly enums: ReadonlyMap<string, DescEnum>;
  readonly services: ReadonlyMap<string, DescService>;
  readonly extensions: ReadonlyMap<string, DescExtension>;
  /** Comments and places of a file, read when they are asked for. */
  readonly sourceInfoOf: (file: string) => SourceCodeInfo | undefined;
}

/** Links files with each other. @throws Error when an import is not among them. */
export function readContract(files: readonly ContractFile[]): Contract {
  const byName = new Map(files.map(({ proto }) => [proto.name, proto]));
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: inOrder(byName) }));
  const contract = {
    files: new Map<string, DescFile>(),
    messages: new Map<string, DescMessage>(),
    enums: new Map<string, DescEnum>(),
    services: new Map<string, DescService>(),
    extensions: new Map<string, DescExtension>(),
    sourceInfoOf: (name: string) => files.find(({ proto }) => proto.name === name)?.readSourceInfo(),
  };
  for (const { proto, isImport } of [...files].sort((a, b) => a.proto.name.localeCompare(b.proto.name, "en"))) {
    const file = registry.getFile(proto.name);
    if (isImport || file === undefined) continue;
    contract.files.set(file.proto.name, file);
    for (const service of file.services) contract.services.set(service.typeName, service);
    addTypes(contract, file);
  }
  return contract;
}

function addTypes(
  contract: {
    messages: Map<string, DescMessage>;
    enums: Map<string, DescEnum>;
    extensions: Map<string, DescExtension>;
  },
  within: DescFile | DescMessage,
): void {
  for (const type of within.kind === "file" ? within.enums : within.nestedEnums)
    contract.enums.set(type.typeName, type);
  for (const extension of within.kind === "file" ? within.extensions : within.nestedExtensions)
    contract.extensions.set(extension.typeName, extension);
  for (const message of within.kind === "file" ? within.messages : within.nestedMessages) {
    contract.messages.set(message.typeName, message);
    addTypes(contract, message);
  }
}

/** Every file after those that it imports. */
function inOrder(byName: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto) => {
    if (ordered.has(file)) return;
    for (const name of file.dependency) {
      const imported = byName.get(name);
      if (imported !== undefined) add(imported);
    }
    ordered.add(file);
  };
  for (const file of byName.values()) add(file);
  return [...ordered];
}
