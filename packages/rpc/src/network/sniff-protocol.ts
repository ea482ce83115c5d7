import type { Socket } from "node:net";

/** The first bytes of HTTP/2 (RFC 9113 §3.4), and of nothing in HTTP/1.1. */
const PREFACE = "PRI";

/**
 * Tells HTTP/2 without TLS (prior knowledge) from HTTP/1.1 by the first three bytes of a connection, and leaves them in it. One
 * that does not say within `timeoutMs` is destroyed.
 */
export function sniffProtocol(socket: Socket, timeoutMs: number, hand: (isHttp2: boolean) => void): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs).unref();
  const stop = () => clearTimeout(timer);
  const onReadable = () => {
    const start = socket.read(PREFACE.length) as Buffer | null;
    if (start === null) return;
    stop();
    socket.off("close", stop);
    socket.off("readable", onReadable);
    socket.unshift(start);
    hand(start.toString("latin1") === PREFACE);
  };
  socket.once("close", stop);
  socket.on("readable", onReadable);
}
