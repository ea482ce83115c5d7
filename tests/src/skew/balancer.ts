import { connect, createServer, type Socket } from "node:net";

/** What stands before the processes of a silo: a fixed address, and connections that go to whoever serves now. */
export interface Balancer {
  readonly address: string;
  /** New connections may go there too. */
  add(address: string): void;
  /** New connections do not go there any more; those that are open stay. */
  remove(address: string): void;
  close(): Promise<void>;
}

/** Starts it: TCP, round robin. */
export async function startBalancer(port: number): Promise<Balancer> {
  const backends: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (incoming) => {
    const backend = backends.shift();
    if (backend === undefined) return void incoming.destroy();
    backends.push(backend);
    const { hostname, port: backendPort } = new URL(backend);
    const outgoing = connect({ host: hostname, port: Number(backendPort), noDelay: true });
    for (const [one, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    address: `http://127.0.0.1:${port}`,
    add: (address) => void backends.push(address),
    remove: (address) => void backends.splice(backends.indexOf(address), backends.includes(address) ? 1 : 0),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
