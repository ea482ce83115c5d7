import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const BIN = join(ROOT, "node_modules/.bin");
const TIMEOUT_MS = 60_000;

/** What buf prints of a finding with `--error-format json`. */
export interface Printed {
  /** Of a file that is gone, undefined. */
  readonly path?: string;
  readonly start_line?: number;
  /** The id of the rule. */
  readonly type: string;
  readonly message: string;
}

/** Runs a program of node_modules/.bin in a folder, as `npx` would; resolves with its exit code and all it wrote. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number; output: string }> {
  const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env["PATH"] ?? ""}` };
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? -1));
  });
  const [code, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, output: out + err };
}

/** Runs buf and reads its findings. @throws Error when it fails for another reason than findings. */
export async function findingsOf(args: readonly string[], cwd: string): Promise<Printed[]> {
  const { code, output } = await run("buf", [...args, "--error-format", "json"], cwd);
  const FOUND = 100;
  if (code !== 0 && code !== FOUND) throw new Error(`buf ${args.join(" ")} ended with ${code}:\n${output}`);
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Printed);
}

/** Lends a folder with the repository's buf.yaml and third_party/, the contract options, and the given files of proto/. */
export async function withContracts<T>(
  files: Readonly<Record<string, string>>,
  use: (root: string) => Promise<T>,
): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "cellway-buf-"));
  try {
    for (const path of ["buf.yaml", "third_party", "proto/cellway/contract"]) {
      cpSync(join(ROOT, path), join(root, path), { recursive: true });
    }
    writeContracts(root, files);
    return await use(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Writes files of proto/. */
export function writeContracts(root: string, files: Readonly<Record<string, string>>): void {
  for (const [file, content] of Object.entries(files)) {
    const path = join(root, "proto", file);
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}

/** A change of a text: what is there, and what takes its place. */
export type Edit = readonly [from: string, to: string];

/** Carries changes out. @throws Error when one changes nothing, or could be meant twice. */
function edit(text: string, edits: readonly Edit[]): string {
  return edits.reduce((changed, [from, to]) => {
    const parts = changed.split(from);
    if (parts.length !== 2) throw new Error(`"${from}" is there ${parts.length - 1} times`);
    return parts.join(to);
  }, text);
}

/** A contract that is right: what the tables of changes change. `NAME` is the case's own. */
const CONTRACT = `syntax = "proto3";

package cellway.NAME.v1;

import "buf/validate/validate.proto";
import "cellway/contract/v1/options.proto";

service ThingService {
  option (cellway.contract.v1.service) = {
    key: "NAME"
    local_mode: SILO_MODE_CELL
  };

  rpc GetThing(GetThingRequest) returns (GetThingResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (cellway.contract.v1.method) = {
      resolve: {by_organization_id: "organization_id"}
      allowed_callers: [CALLER_CONTROL]
      allowed_callers: [CALLER_CELL]
      timeout: {seconds: 10}
    };
  }

  rpc PutThing(PutThingRequest) returns (PutThingResponse) {
    option idempotency_level = IDEMPOTENCY_UNKNOWN;
    option (cellway.contract.v1.method) = {
      resolve: {by_organization_slug: "slug"}
      allowed_callers: [CALLER_CONTROL]
    };
  }

  rpc OldThing(OldThingRequest) returns (OldThingResponse) {
    option deprecated = true;
    option idempotency_level = IDEMPOTENT;
    option (cellway.contract.v1.method) = {
      resolve: {by_cell_name: "cell"}
      allowed_callers: [CALLER_CONTROL]
    };
  }
}

message GetThingRequest {
  reserved 90, 95 to 99;
  reserved "gone", "lost";
  int64 organization_id = 1;
  string slug = 2;
  string name = 3 [(buf.validate.field).string.max_len = 64];
  int64 count = 4;
  optional string note = 5;
  string old_note = 6 [deprecated = true];
  string needed = 7 [
    deprecated = true,
    (buf.validate.field).required = true
  ];
  Kind kind = 8;
  repeated string tags = 9 [(buf.validate.field).repeated.max_items = 10];
  oneof key {
    string first = 10;
    string second = 11;
  }
  Part part = 12;
  int32 size = 13 [(buf.validate.field).int32 = {
    gte: 0
    lte: 100
  }];
  map<string, Part> parts = 14;
}

message GetThingResponse {
  Thing thing = 1;
  string text = 2 [(buf.validate.field).string.max_len = 10];
}

message PutThingRequest {
  string slug = 1;
}

message PutThingResponse {}

message OldThingRequest {
  string cell = 1;
  OldPart part = 2;
}

message OldThingResponse {}

message Thing {
  string title = 1;
}

message Part {
  string label = 1;
}

message OldPart {
  string label = 1;
}

message Told {
  option (cellway.contract.v1.outbox) = {
    category: NUMBER
    sent_by: SILO_MODE_CELL
    scope: OUTBOX_SCOPE_ORGANIZATION
    attempts_max: 5
  };
  string state = 1;
}

enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_NEW = 1;
  KIND_OLD = 2 [deprecated = true];
}
`;

/** The contract of a row under a name of its own. */
export function contractOf(name: string, number: number, edits: readonly Edit[] = []): string {
  return edit(CONTRACT, edits).replaceAll("NAME", name).replaceAll("NUMBER", String(number));
}

/** The text of a declaration of the contract, from its first words to its closing brace. */
export function declaration(head: string): string {
  const start = CONTRACT.indexOf(head);
  const indent = /^ */.exec(head)?.[0] ?? "";
  const end = CONTRACT.indexOf(`\n${indent}}\n`, start) + indent.length + 3;
  if (start === -1 || end < start) throw new Error(`there is no ${head}`);
  return CONTRACT.slice(start, end);
}
