import { connect } from "node:net";

/** A request as its bytes go over the wire. */
export interface FuzzRequest {
  readonly route: string;
  readonly localMode: "CONTROL" | "CELL";
  readonly bytes: Buffer;
  /** What frames it is whole and says the same twice: there must be an answer. */
  readonly isFramed: boolean;
}

/** How long the server is given for what may be the beginning of a request, in milliseconds; it would wait for the rest. */
const UNFRAMED_MS = 100;

/**
 * Sends bytes, and gives all that comes back before the other side closes. What is not whole is given up, and the server left
 * with half of it.
 */
export function sendRaw(origin: string, { bytes, isFramed }: FuzzRequest, timeoutMs: number): Promise<string> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port) }, () => void socket.write(bytes));
    const giveUp = setTimeout(
      () => socket.destroy(isFramed ? new Error(`no answer within ${timeoutMs} ms`) : undefined),
      isFramed ? timeoutMs : UNFRAMED_MS,
    );
    socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Whoever is refused before all was read may be cut off.
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(giveUp);
      resolve(Buffer.concat(chunks).toString("latin1"));
    });
  });
}

/** The status of an answer; 0 when there is none. */
export function statusOf(answer: string): number {
  const text = answer.replace(/^HTTP\/1\.1 100 [^]*?\r\n\r\n/, "");
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}
