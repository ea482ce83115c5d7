import type { AddressInfo, Server } from "node:net";

/** Where an http:// or https:// origin is listened at. */
export function toListenOptions(address: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(address);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
}

/**
 * Lets a server listen at an origin; port 0 lets the system choose. Rejects when the port is taken.
 *
 * @returns the origin, with the port that it has.
 */
export async function listenAt(server: Server, address: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(toListenOptions(address), () => {
      server.off("error", reject);
      // A connection that cannot be accepted, for want of file descriptors, is the caller's failure and not ours.
      server.on("error", () => {});
      resolve();
    });
  });
  const { protocol, hostname } = new URL(address);
  return `${protocol}//${hostname}:${(server.address() as AddressInfo).port}`;
}
