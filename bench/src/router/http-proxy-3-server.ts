import { Agent, createServer } from "node:http";
import { createProxyServer } from "http-proxy-3";
import { findOrigin, readSlugMap } from "./slug-map.js";

/** A process of its own: http-proxy-3 with a map of organizations in front. Arguments: port, map file. */

const [port, mapFile = ""] = process.argv.slice(2);
const map = readSlugMap(mapFile);
const proxy = createProxyServer({
  agent: new Agent({ keepAlive: true, maxSockets: 512 }),
  xfwd: true,
  proxyTimeout: 30_000,
});
proxy.on("error", (_error, _req, res) => {
  if ("writeHead" in res && !res.headersSent) res.writeHead(502, { "content-length": 0 });
  res.end();
});
createServer((req, res) => {
  const target = findOrigin(map, req.url ?? "/");
  if (target === undefined) res.writeHead(404, { "content-length": 0 }).end();
  else proxy.web(req, res, { target });
}).listen(Number(port), "127.0.0.1");
