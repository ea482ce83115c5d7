import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type DescMessage, fromJsonString, type MessageShape, type Registry } from "@bufbuild/protobuf";
import type { CommandContext } from "./context.js";
import { UsageError } from "./errors.js";

/**
 * The text of `--data`: JSON itself, `@path` for a file, or `-` for standard input.
 *
 * @throws UsageError when the file cannot be read.
 */
export async function readDataOption(data: string, ctx: CommandContext): Promise<string> {
  if (data === "-") return ctx.terminal.readInput();
  if (!data.startsWith("@")) return data;
  const path = resolve(ctx.process.cwd, data.slice(1));
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(
      `--data ${data}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"}).`,
    );
  }
}

/**
 * Reads a request by the protobuf JSON mapping; fields in lowerCamelCase or as the contract writes them.
 *
 * @throws UsageError that names the field that does not exist or does not fit.
 */
export function parseRequest<D extends DescMessage>(schema: D, text: string, registry: Registry): MessageShape<D> {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--data: must be JSON (${(error as Error).message}).`);
  }
  try {
    return fromJsonString(schema, text, { registry });
  } catch (error) {
    const fields = schema.fields.map((field) => field.jsonName).join(", ");
    throw new UsageError(
      `--data: ${(error as Error).message}. ${schema.name} has ${fields === "" ? "no fields" : fields}.`,
    );
  }
}
