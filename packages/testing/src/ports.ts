import { createServer } from "node:net";

/** Below what systems give to outgoing connections, so that nobody gets a port between its choice and its use. */
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;

/** Ports that nothing listens on now, all different. */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
