// `npm run check`: every check, whatever the others say. One line for each, then the whole output of those that failed.
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "./run-command.mjs";

/** @typedef {{name: string, command: string[]}} Check */

/**
 * Runs first and alone: it builds what `lint` and `generated` read.
 * @type {Check[]}
 */
const FIRST = [{ name: "types", command: ["tsc", "-b"] }];

/** @type {Check[]} */
const THEN = [
  { name: "types of tools", command: ["tsc", "-p", "tools"] },
  { name: "format", command: ["biome", "check", "--max-diagnostics=50"] },
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "layers", command: ["node", "tools/layer-check.mjs"] },
  { name: "migrations", command: ["node", "tools/migration-lint.mjs"] },
  { name: "unused (knip)", command: ["knip", "--no-progress", "--no-config-hints"] },
  { name: "lock file is complete", command: ["node", "tools/complete-lock.mjs", "--check"] },
  { name: "buf lint", command: ["buf", "lint"] },
  { name: "buf format", command: ["buf", "format", "proto", "--diff", "--exit-code"] },
  { name: "buf breaking", command: ["node", "tools/breaking.mjs"] },
  { name: "nothing is called before it is everywhere", command: ["node", "tools/new-calls.mjs"] },
  { name: "generated code is current", command: ["node", "tools/generate.mjs", "--check"] },
];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * @param {Check} check
 * @returns {Promise<{name: string, code: number, output: string}>}
 */
async function runCheck({ name, command }) {
  const startedAt = performance.now();
  const { code, output } = await runCommand(command, { root });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const remark = /^Not compared with .*$/m.exec(output)?.[0];
  console.log(`${code === 0 ? "✓" : "✗"} ${name} (${seconds} s)${remark === undefined ? "" : ` — ${remark}`}`);
  return { name, code, output };
}

/** @param {readonly Check[]} checks */
async function runAll(checks) {
  const waiting = [...checks];
  /** @type {Awaited<ReturnType<typeof runCheck>>[]} */
  const results = [];
  async function work() {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) results.push(await runCheck(check));
  }
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
  return results;
}

const results = [...(await runAll(FIRST)), ...(await runAll(THEN))];
const failed = results.filter(({ code }) => code !== 0);
for (const { name, output } of failed) console.log(`\n── ${name}\n${output.trimEnd()}`);
const summary =
  failed.length === 0 ? `All ${results.length} checks pass.` : `${failed.length} of ${results.length} checks fail.`;
console.log(`\n${summary}`);
process.exitCode = failed.length === 0 ? 0 : 1;
