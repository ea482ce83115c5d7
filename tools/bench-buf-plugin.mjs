// What the buf plugin costs: `buf breaking` of this tree with it and without, run in turn, against the newest release.
//   node tools/bench-buf-plugin.mjs [runs]      prints the medians in ms, and their ratio
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { imageOf, readReleases } from "../cli/dist/releases.js";
import { runCommandOrThrow } from "./run-command.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const runs = Number(process.argv[2] ?? 15);
const newest = readReleases(root).at(-1);
if (newest === undefined) throw new Error("there is no release in proto/releases to compare with");
const against = ["buf", "breaking", "proto", "--against", imageOf(newest.version)];

/** @param {readonly string[]} command */
async function timeMs(command) {
  const startedAt = performance.now();
  await runCommandOrThrow(command, { root });
  return performance.now() - startedAt;
}

/** @param {readonly number[]} values */
function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** buf.yaml as it would be without the plugin: every rule of FILE. */
function withoutPlugin() {
  const text = readFileSync(join(root, "buf.yaml"), "utf8");
  return text
    .replace(/, CELLWAY/g, "")
    .replace(/^ {6}except:\n(?: {8}- .*\n)+/m, "")
    .replace(/^plugins:[^]*/m, "");
}

const folder = mkdtempSync(join(tmpdir(), "cellway-bench-"));
try {
  const config = join(folder, "buf.yaml");
  writeFileSync(config, withoutPlugin());
  const plain = [];
  const plugged = [];
  for (let run = 0; run < runs; run += 1) {
    plain.push(await timeMs([...against, "--config", config]));
    plugged.push(await timeMs(against));
  }
  const ratio = (median(plugged) / median(plain)).toFixed(2);
  console.log(`plain ${median(plain).toFixed(0)} ms, with the plugin ${median(plugged).toFixed(0)} ms: ${ratio} times`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
