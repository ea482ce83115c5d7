import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StartOptions } from "./contenders.js";
import { writeMapFile } from "./dataset.js";
import { type MeasuredProcess, startProgram } from "./processes.js";

/** nginx with a map of organizations to upstreams; bodies stream, as with the others. */
export async function startNginx({ port, dataset, folder }: StartOptions): Promise<MeasuredProcess> {
  const map = join(folder, "organizations.map");
  await writeMapFile(map, dataset, (cell) => `${cell.name};`);
  const upstreams = dataset.cells.map(
    ({ name, port: cellPort }) => `upstream ${name} { server 127.0.0.1:${cellPort}; keepalive 512; }`,
  );
  const config = join(folder, "nginx.conf");
  await writeFile(
    config,
    `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/client;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  map_hash_max_size ${Math.max(2_048, dataset.slugs.length * 2)};
  map_hash_bucket_size 128;
  map $organization $cell { include ${map}; default ""; }
  ${upstreams.join("\n  ")}
  server {
    listen 127.0.0.1:${port} backlog=2048;
    client_max_body_size 0;
    location ~ ^/api/0/organizations/(?<organization>[^/]+) {
      if ($cell = "") { return 404; }
      proxy_pass http://$cell;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_connect_timeout 2s;
      proxy_read_timeout 30s;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }
  }
}
`,
  );
  return startProgram(["nginx", "-e", join(folder, "error.log"), "-p", folder, "-c", config], { port });
}
