import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  create,
  createFileRegistry,
  type DescFile,
  type DescService,
  type FileRegistry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "@cellway/gen/google/rpc/error_details";
import type { ServerReflectionResponseSchema } from "@cellway/gen/grpc/reflection/v1/reflection";
import { ServerReflection, type ServerReflectionRequest } from "@cellway/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionAlpha } from "@cellway/gen/grpc/reflection/v1alpha/reflection";
import { Code, type ServiceImpl } from "@connectrpc/connect";

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"];

/** The reflection services, in both versions that tools ask for. They have the same messages under two names. */
export function createReflectionServices(services: () => readonly DescService[]): {
  v1: ServiceImpl<typeof ServerReflection>;
  v1alpha: ServiceImpl<typeof ServerReflectionAlpha>;
} {
  let index: ReflectionIndex | undefined;
  const answer = (request: Pick<ServerReflectionRequest, "messageRequest">) => {
    index ??= createIndex(services());
    return answerQuestion(index, request.messageRequest);
  };
  return {
    v1: {
      async *serverReflectionInfo(requests) {
        for await (const request of requests) {
          yield {
            validHost: request.host,
            originalRequest: request,
            messageResponse: answer(request),
          } as MessageInitShape<typeof ServerReflectionResponseSchema>;
        }
      },
    },
    v1alpha: {
      async *serverReflectionInfo(requests) {
        for await (const request of requests) {
          yield {
            validHost: request.host,
            originalRequest: request,
            messageResponse: answer(request as never) as never,
          };
        }
      },
    },
  };
}

interface ReflectionIndex {
  readonly services: readonly DescService[];
  readonly files: FileRegistry;
}

function createIndex(services: readonly DescService[]): ReflectionIndex {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile) => {
    if (files.has(file.proto.name)) return;
    for (const dependency of file.dependencies) visit(dependency);
    files.set(file.proto.name, file);
  };
  for (const service of services) visit(service.file);
  // Not named by any contract, but part of every error: with it, tools can print the reasons.
  visit(ErrorInfoSchema.file);
  const set = create(FileDescriptorSetSchema, { file: [...files.values()].map((file) => file.proto) });
  return { services, files: createFileRegistry(set) };
}

function answerQuestion(index: ReflectionIndex, question: ServerReflectionRequest["messageRequest"]): Answer {
  switch (question.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: {
          service: index.services
            .map((service) => ({ name: service.typeName }))
            .sort((a, b) => (a.name < b.name ? -1 : 1)),
        },
      };
    case "fileByFilename":
      return answerFile(
        index.files.getFile(question.value.replace(/\.proto$/, "")) ?? findFile(index, question.value),
        question.value,
      );
    case "fileContainingSymbol":
      return answerFile(findSymbol(index, question.value), question.value);
    case "fileContainingExtension":
      return answerFile(
        findExtension(index, question.value.containingType, question.value.extensionNumber),
        `${question.value.containingType}#${question.value.extensionNumber}`,
      );
    case "allExtensionNumbersOfType":
      return {
        case: "allExtensionNumbersResponse",
        value: {
          baseTypeName: question.value,
          extensionNumber: extensionsOf(index, question.value).map((extension) => extension.number),
        },
      };
    case undefined:
      return {
        case: "errorResponse",
        value: { errorCode: Code.InvalidArgument, errorMessage: "the request asks nothing" },
      };
  }
}

/** The file, then all that it imports, so that a tool asks once. */
function answerFile(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) {
    return { case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `${what} is not known here` } };
  }
  const ordered = new Map<string, DescFile>();
  const visit = (at: DescFile) => {
    if (ordered.has(at.proto.name)) return;
    for (const dependency of at.dependencies) visit(dependency);
    ordered.set(at.proto.name, at);
  };
  visit(file);
  return {
    case: "fileDescriptorResponse",
    value: {
      fileDescriptorProto: [...ordered.values()]
        .reverse()
        .map((item) => toBinary(FileDescriptorProtoSchema, item.proto)),
    },
  };
}

function findFile(index: ReflectionIndex, name: string): DescFile | undefined {
  for (const file of index.files.files) if (file.proto.name === name) return file;
  return undefined;
}

function findSymbol(index: ReflectionIndex, symbol: string): DescFile | undefined {
  const found = index.files.get(symbol);
  if (found !== undefined) return found.file;
  const dot = symbol.lastIndexOf(".");
  if (dot === -1) return undefined;
  // A method or a field: the type that holds it.
  return index.files.get(symbol.slice(0, dot))?.file;
}

function extensionsOf(index: ReflectionIndex, typeName: string) {
  const found = [];
  for (const type of index.files) {
    if (type.kind === "extension" && type.extendee.typeName === typeName) found.push(type);
  }
  return found;
}

function findExtension(index: ReflectionIndex, typeName: string, number: number): DescFile | undefined {
  return extensionsOf(index, typeName).find((extension) => extension.number === number)?.file;
}
