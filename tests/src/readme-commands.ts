import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const README = fileURLToPath(new URL("../../README.md", import.meta.url));

/** A command as the README prints it, and what it says is answered: fields of JSON, without those that it leaves out. */
export interface ReadmeCommand {
  readonly command: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** The commands of the README that begin with `curl`, in order, each with the lines that follow it. */
export async function readCurlCommands(): Promise<ReadmeCommand[]> {
  const text = await readFile(README, "utf8");
  const blocks = [...text.matchAll(/```console\n([^]*?)```/g)].map((match) => match[1] ?? "");
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .filter((part) => part.startsWith("curl "))
      .map((part) => {
        const [command = "", ...answer] = part.split("\n");
        const fields = [...answer.join("\n").matchAll(/"([a-z_]+)":("[^"]*"|\d+)/g)];
        return {
          command,
          fields: new Map(fields.map(([, name = "", value = ""]) => [name, value.replaceAll('"', "")])),
        };
      }),
  );
}
