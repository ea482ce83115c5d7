import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** How long a client's connection may say nothing. */
export interface Patience {
  /** Until its greeting is whole. */
  readonly openTimeoutMs: number;
  /** At all, not even an answer to a ping; it may take twice as long until that is seen. */
  readonly silenceMs: number;
  /** Whether a connection that had no stream for so long ends, too. */
  readonly isIdleEnded: boolean;
}

/**
 * Ends a connection of HTTP/2 that says nothing that makes sense, and one from which nothing comes, not even the answer to a ping:
 * its client is gone, or nghttp2 has given it up, after frames that break its rules, and reads no more of it, of which node says
 * nothing.
 */
export function watchConnection(
  session: ServerHttp2Session,
  socket: Socket,
  { openTimeoutMs, silenceMs, isIdleEnded }: Patience,
): void {
  const destroy = () => {
    session.destroy();
    // The session would wait until its last bytes are written.
    socket.destroy();
  };
  const opening = setTimeout(destroy, openTimeoutMs).unref();
  session.once("remoteSettings", () => clearTimeout(opening));
  let streams = 0;
  let bytesBefore = 0;
  const watch = setInterval(() => {
    const isSilent = socket.bytesRead === bytesBefore;
    bytesBefore = socket.bytesRead;
    if (isSilent) destroy();
    else if (streams === 0 && isIdleEnded) session.close();
    else if (!session.closed) session.ping(() => {});
  }, silenceMs).unref();
  session.on("stream", (stream) => {
    streams += 1;
    stream.once("close", () => {
      streams -= 1;
      if (streams === 0) watch.refresh();
    });
  });
  // Not the session's end: one that is given up may never tell it.
  socket.once("close", () => {
    clearTimeout(opening);
    clearInterval(watch);
  });
}
