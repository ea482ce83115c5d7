import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

/**
 * @typedef {object} Result
 * @property {number} code Exit code; 127 where the program could not be started.
 * @property {string} output What it wrote to both streams, in order.
 */

/**
 * Runs a program with nothing on its standard input and waits for it. Tools of `node_modules/.bin` are found by name.
 * @param {readonly string[]} command
 * @param {{root: string, bin?: string}} options `root` is the working directory; `bin` where tools are, if elsewhere.
 * @returns {Promise<Result>}
 */
export function runCommand([program, ...args], { root, bin = join(root, "node_modules", ".bin") }) {
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` };
    const child = spawn(String(program), args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    /** @type {Buffer[]} */
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => resolve({ code: 127, output: `${program}: ${error.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8") }));
  });
}

/**
 * As {@link runCommand}, for what has to succeed: throws with the output otherwise.
 * @param {readonly string[]} command
 * @param {{root: string, bin?: string}} options
 * @returns {Promise<string>} What it wrote.
 */
export async function runCommandOrThrow(command, options) {
  const { code, output } = await runCommand(command, options);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`);
  return output;
}
