import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const TIMEOUT_MS = 60_000;

/** What a call of a generated client gives. */
export interface ClientAnswer {
  readonly status: number;
  readonly data: unknown;
}

/** A client as oazapfts writes it: a function for each operation, and what all of them go by. */
export type GeneratedClient = Record<string, (...args: unknown[]) => Promise<ClientAnswer>> & {
  readonly defaults: { baseUrl: string; headers: Record<string, string>; fetch: typeof fetch };
};

/**
 * Writes a client of an OpenAPI document, checks its types, and loads it.
 *
 * @param folder - where it is written: in a new folder in there, below the node_modules that its runtime is in.
 */
export async function generateClient(
  document: string,
  folder = dirname(fileURLToPath(import.meta.url)),
): Promise<{ client: GeneratedClient; folder: string }> {
  const own = await mkdtemp(join(folder, "generated-client-"));
  const [source, client] = [join(own, "openapi.json"), join(own, "client.ts")];
  await writeFile(source, document);
  const node = (script: string, args: string[]) =>
    run(process.execPath, [script, ...args], { cwd: own, timeout: TIMEOUT_MS });
  await node(join(dirname(require.resolve("oazapfts")), "cli.js"), [source, client]);
  const compiler = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const options = ["--ignoreConfig", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"];
  await node(compiler, [...options, client]).catch(async (error: unknown) => {
    await rm(own, { recursive: true });
    // The compiler says what is wrong where others say what they did.
    throw new Error(`The client does not compile:\n${(error as { stdout?: string }).stdout ?? ""}`, { cause: error });
  });
  return { client: (await import(pathToFileURL(join(own, "client.js")).href)) as GeneratedClient, folder: own };
}
