import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deriveEdgeKey, formatKeys } from "@cellway/rpc";
import { findFreePorts } from "@cellway/testing";
import type { StartOptions } from "./contenders.js";
import { writeRoutesFile } from "./dataset.js";
import { type MeasuredProcess, startProgram } from "./processes.js";

const CELLWAY = fileURLToPath(new URL("../../../cli/bin/cellway.js", import.meta.url));

/** Our locality router, as users run it: with the routes that it keeps on disk, and control away. */
export async function startCellway({ port, dataset, folder }: StartOptions): Promise<MeasuredProcess> {
  const [adminPort = 0] = await findFreePorts(1);
  const routesFile = join(folder, "routes");
  await writeRoutesFile(routesFile, dataset);
  const env = {
    CELLWAY_EDGE_NAME: "us-router",
    CELLWAY_EDGE_LOCALITIES: "us",
    CELLWAY_EDGE_LISTEN: `http://127.0.0.1:${port}`,
    CELLWAY_HTTP_LISTEN: `http://127.0.0.1:${adminPort}`,
    CELLWAY_EDGE_LOCALITY_URL: "http://{locality}.localhost:8100",
    CELLWAY_EDGE_ROUTES_FILE: routesFile,
    CELLWAY_CONTROL_RPC_ADDRESS: "http://127.0.0.1:1",
    CELLWAY_RPC_KEYS: formatKeys([deriveEdgeKey({ id: "bench", secret: randomBytes(32) }, "edge:us-router")]),
    CELLWAY_LOG_LEVEL: "silent",
  };
  const isReady = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok;
  return startProgram([process.execPath, CELLWAY, "serve", "--edge", "locality-router"], { port, env, isReady });
}
