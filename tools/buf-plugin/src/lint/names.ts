import type { AnyDesc, DescFile } from "@bufbuild/protobuf";
import type { Contract } from "../contract-files.js";
import type { Finding } from "../finding.js";
import { locate } from "../locate.js";

/** As a word of its own, in snake_case, PascalCase or UPPER_CASE. */
const OLD_WORD = /(?<![A-Za-z])regions?(?![a-z])|Regions?(?![a-z])|(?<![A-Z])REGIONS?(?![A-Z])/;
const MARK = "TODO(cells)";

/** Lints every name: what is new says cell or locality. An old name that must live on has the mark in its comment. */
export function lintNames(contract: Contract): Finding[] {
  const findings: Finding[] = [];
  for (const file of contract.files.values()) {
    if (OLD_WORD.test(file.proto.package)) findings.push(refuse(file, `package ${file.proto.package}`));
  }
  for (const desc of named(contract)) {
    if (OLD_WORD.test(desc.name) && !commentOf(desc, contract).includes(MARK))
      findings.push(refuse(desc, desc.toString()));
  }
  return findings;
}

function refuse(at: AnyDesc, what: string): Finding {
  const message = `${what} says "region", the old word. Write cell (what owns organizations) or locality (a residency zone); where an old name must live on, say ${MARK} and until when in its comment.`;
  return { ruleId: "NAME_NO_REGION", message, at };
}

type Named = Exclude<AnyDesc, DescFile>;

function* named({ messages, enums, services, extensions }: Contract): Generator<Named> {
  for (const message of messages.values()) {
    yield message;
    yield* message.fields;
    yield* message.oneofs;
  }
  for (const type of enums.values()) {
    yield type;
    yield* type.values;
  }
  for (const service of services.values()) {
    yield service;
    yield* service.methods;
  }
  yield* extensions.values();
}

function commentOf(desc: Named, { sourceInfoOf }: Contract): string {
  const { file, path } = locate(desc);
  const key = path.join(".");
  const place = sourceInfoOf(file)?.location.find((location) => location.path.join(".") === key);
  return `${place?.leadingComments ?? ""}${place?.trailingComments ?? ""}`;
}
