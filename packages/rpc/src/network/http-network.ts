import type { RpcLimits } from "../settings.js";
import { listenHttp } from "./http-listener.js";
import { createHttp2Client } from "./http2-client.js";
import type { Network } from "./network.js";

/** The network of real sockets: HTTP/2 between silos, HTTP/1.1 accepted for tools. */
export function createHttpNetwork(limits: RpcLimits): Network {
  const client = createHttp2Client(limits);
  return {
    post: client.post,
    send: client.send,
    listen: (address, endpoint) => listenHttp(address, endpoint, limits),
    async close() {
      client.close();
    },
  };
}
