import type { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import { createServer, type Socket } from "node:net";
import { sniffProtocol } from "@cellway/rpc";
import { listen } from "./tcp-proxy.js";

/** Serves both versions of HTTP at a port that the system chooses. */
export async function startTwoVersionServer(
  http1: Http1Server,
  http2: Http2Server,
): Promise<{ readonly address: string; readonly stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    sniffProtocol(socket, 60_000, (isHttp2) => void (isHttp2 ? http2 : http1).emit("connection", socket));
  });
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { address: await listen(server), stop };
}
