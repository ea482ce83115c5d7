import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findFreePorts } from "@cellway/testing";
import { startCellway } from "./cellway.js";
import type { Dataset } from "./dataset.js";
import { writeMapFile } from "./dataset.js";
import { startHaproxy } from "./haproxy.js";
import { startNginx } from "./nginx.js";
import { type MeasuredProcess, startProgram } from "./processes.js";

/** What a contender is started with. */
export interface StartOptions {
  readonly port: number;
  readonly dataset: Dataset;
  /** A folder of its own. */
  readonly folder: string;
}

/** Something that sends requests on to the cells of their organizations. */
export interface Contender {
  readonly name: string;
  /** What `--version` of a program says; undefined where the program is not there. */
  readonly version: () => Promise<string | undefined>;
  readonly start: (options: StartOptions) => Promise<MeasuredProcess>;
}

/** A contender that takes requests. */
export interface RunningContender extends MeasuredProcess {
  readonly name: string;
  readonly port: number;
}

export const CELLWAY = "cellway";
export const HTTP_PROXY_3 = "http-proxy-3";
export const HAPROXY = "HAProxy, map file";

/** All of them, ours first; each on one thread. */
export const CONTENDERS: readonly Contender[] = [
  { name: CELLWAY, version: async () => "this tree", start: startCellway },
  { name: HTTP_PROXY_3, version: async () => "1.23.3", start: startNode("./http-proxy-3-server.js") },
  { name: "@fastify/http-proxy", version: async () => "11.6.3", start: startNode("./fastify-http-proxy-server.js") },
  { name: HAPROXY, version: () => readVersion("haproxy", /version (\S+)/), start: startHaproxy },
  { name: "nginx, map", version: () => readVersion("nginx", /nginx\/(\S+)/), start: startNginx },
];

/** Starts a contender. */
export async function startContender(
  { name, start }: Contender,
  options: Omit<StartOptions, "port">,
): Promise<RunningContender> {
  const [port = 0] = await findFreePorts(1);
  return { name, port, ...(await start({ port, ...options })) };
}

function startNode(program: string): Contender["start"] {
  return async ({ port, dataset, folder }) => {
    const map = join(folder, "map");
    await writeMapFile(map, dataset, (cell) => `http://127.0.0.1:${cell.port}`);
    return startProgram([process.execPath, fileURLToPath(new URL(program, import.meta.url)), String(port), map], {
      port,
    });
  };
}

async function readVersion(program: string, pattern: RegExp): Promise<string | undefined> {
  try {
    // nginx says it on standard error.
    const { stdout, stderr } = await promisify(execFile)(program, ["-v"]);
    return pattern.exec(stdout + stderr)?.[1];
  } catch {
    return undefined;
  }
}
