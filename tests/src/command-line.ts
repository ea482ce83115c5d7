import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseKeys } from "@cellway/rpc";
import { parseTopology } from "@cellway/silo";
import { createOperator, type Operator } from "cellway/dist/operator.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CELLWAY = join(ROOT, "cli/bin/cellway.js");
const BUF = join(ROOT, "node_modules/.bin/buf");

/** What a command printed, and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A fleet of real processes, started with `cellway dev`. */
export interface DevFleet {
  readonly dataDir: string;
  readonly silos: readonly {
    readonly name: string;
    readonly rpcAddress: string;
    readonly httpAddress: string;
    readonly pid: number;
  }[];
  readonly edges: readonly { readonly name: string; readonly httpAddress: string; readonly pid: number }[];
  readonly child: ChildProcess;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
}

/** Runs `cellway …` to its end, within two minutes. */
export function cellway(...args: string[]): Promise<CommandResult> {
  return run(process.execPath, [CELLWAY, ...args]);
}

/** Runs `cellway …` as the operator of a fleet that these settings describe, and of no other. */
export function cellwayOf(env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandResult> {
  return run(process.execPath, [CELLWAY, ...args], { ...process.env, ...env });
}

/** Runs `buf …` to its end, within two minutes. */
export function buf(...args: string[]): Promise<CommandResult> {
  return run(BUF, args);
}

function run(command: string, args: string[], env = process.env): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd: ROOT, timeout: 120_000, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** Starts `cellway dev --json` and waits until it says that it is ready. */
export async function startDev(dataDir: string, portBase: number, ...args: string[]): Promise<DevFleet> {
  const child = spawn(
    process.execPath,
    [CELLWAY, "dev", "--json", "--data", dataDir, "--port-base", String(portBase), ...args],
    {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      if (line.includes('"ready":true')) resolve(line);
    });
  });
  const line = await Promise.race([
    ready,
    exited.then((code) => Promise.reject(new Error(`cellway dev ended with ${code}: ${errors}`))),
  ]);
  const summary = JSON.parse(line) as Pick<DevFleet, "silos" | "edges">;
  return { dataDir, ...summary, child, exited };
}

/** The RPC origin of a silo. */
export function rpcAddressOf(fleet: DevFleet, silo: string): string {
  const found = fleet.silos.find((candidate) => candidate.name === silo);
  if (found === undefined) throw new Error(`there is no silo ${silo}`);
  return found.rpcAddress;
}

/** What `cellway dev` has written down of itself, as it is now: process ids change when a silo is restarted. */
export interface FleetFile {
  readonly topology: unknown;
  readonly keysFile: string;
  readonly silos: readonly { readonly name: string; readonly pid: number; readonly databaseUrl: string }[];
  readonly edges: readonly { readonly name: string; readonly pid: number; readonly address: string }[];
}

/** Reads it. */
export async function readFleetFile(dataDir: string): Promise<FleetFile> {
  return JSON.parse(await readFile(join(dataDir, "dev.json"), "utf8")) as FleetFile;
}

/** Somebody who may call everything in a fleet. */
export async function createFleetOperator(dataDir: string): Promise<Operator> {
  const { topology, keysFile } = await readFleetFile(dataDir);
  return createOperator({
    mode: "siloed",
    topology: parseTopology(topology, "dev.json"),
    masterKeys: parseKeys(await readFile(keysFile, "utf8"), keysFile),
    source: dataDir,
  });
}

/** The URL of a silo's database, as `cellway dev` wrote it down. */
export async function databaseUrlOf(fleet: DevFleet, silo: string): Promise<string> {
  const { silos } = await readFleetFile(fleet.dataDir);
  return silos.find((candidate) => candidate.name === silo)?.databaseUrl ?? "";
}
