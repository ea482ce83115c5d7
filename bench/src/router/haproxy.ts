import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StartOptions } from "./contenders.js";
import { writeMapFile } from "./dataset.js";
import { type MeasuredProcess, startProgram } from "./processes.js";

/** HAProxy with a map of organizations to backends, as docs/operate/scale-the-edge.md has it. */
export async function startHaproxy({ port, dataset, folder }: StartOptions): Promise<MeasuredProcess> {
  const map = join(folder, "organizations.map");
  await writeMapFile(map, dataset, (cell) => cell.name);
  const backends = dataset.cells.map(
    ({ name, port: cellPort }) => `backend ${name}\n  server ${name} 127.0.0.1:${cellPort} maxconn 512`,
  );
  const config = join(folder, "haproxy.cfg");
  await writeFile(
    config,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 120s
  timeout server 30s
  option forwardfor
  http-reuse always
  retry-on conn-failure empty-response
  retries 1
frontend in
  bind 127.0.0.1:${port}
  unique-id-format %[uuid()]
  unique-id-header x-request-id
  http-request set-var(txn.cell) path,field(5,/),map_str(${map})
  http-request return status 404 if !{ var(txn.cell) -m found }
  use_backend %[var(txn.cell)]
${backends.join("\n")}
`,
  );
  return startProgram(["haproxy", "-db", "-q", "-f", config], { port });
}
