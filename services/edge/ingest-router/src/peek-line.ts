import type { ClientRequest } from "@cellway/http";

/**
 * The first line of a body, which stays unread: whoever reads it gets all of it. Undefined when it does not come whole within the
 * bounds, or its sender goes away.
 */
export function peekLine(
  req: ClientRequest,
  { maxBytes, timeoutMs }: { readonly maxBytes: number; readonly timeoutMs: number },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stop = (line?: string) => {
      clearTimeout(timer);
      req.off("readable", onReadable).off("end", onEnd).off("close", onEnd);
      resolve(line);
    };
    const end = (line?: string) => {
      if (bytes > 0 && !req.destroyed) req.unshift(Buffer.concat(chunks));
      stop(line);
    };
    const timer = setTimeout(end, timeoutMs);
    // Nothing can be put back after the end: a body without a line's end is lost, and was no envelope with an item.
    const onEnd = () => stop();
    const onReadable = () => {
      for (let chunk = req.read() as Buffer | null; chunk !== null; chunk = req.read() as Buffer | null) {
        chunks.push(chunk);
        bytes += chunk.byteLength;
        if (chunk.includes("\n") || bytes > maxBytes) break;
      }
      const read = Buffer.concat(chunks);
      const lineEnd = read.indexOf("\n");
      if (lineEnd >= 0) end(lineEnd <= maxBytes ? read.toString("utf8", 0, lineEnd) : undefined);
      else if (bytes > maxBytes) end();
    };
    req.on("readable", onReadable).on("end", onEnd).on("close", onEnd);
  });
}
