import { formatRequestHead } from "./headers.js";
import type { Upstream } from "./upstream.js";
import type { AnswerListener } from "./upstream-connection.js";

/** A question of this process's own to an upstream. */
export interface UpstreamQuestion {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Beside `host` and `content-length`, which are set. Their values hold no line ends. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** For the whole answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of a body that are read. */
  readonly answerMaxBytes: number;
}

/** The answer to an {@link UpstreamQuestion}. */
export interface UpstreamAnswer {
  readonly status: number;
  /** Names, as they were sent, and values in turn. */
  readonly headers: readonly string[];
  /** Undefined when it is longer than was to be read. */
  readonly body: Buffer | undefined;
}

/** The answer was not whole in time. */
export class AnswerTimeoutError extends Error {
  override readonly name = "AnswerTimeoutError";
}

/**
 * Asks an upstream, and reads the whole answer. Limits of requests in flight and the circuit are the caller's matter.
 *
 * @throws AnswerTimeoutError; or whatever the connection failed with, as a rejection.
 */
export function askUpstream(upstream: Upstream, question: UpstreamQuestion): Promise<UpstreamAnswer> {
  const { method, body, timeoutMs, answerMaxBytes } = question;
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: readonly string[] = [];
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => {
      connection.destroy();
      reject(new AnswerTimeoutError(`${upstream.name} did not answer within ${Math.round(timeoutMs)} ms.`));
    }, timeoutMs);
    const listener: AnswerListener = {
      onHead(said, _message, raw) {
        status = said;
        headers = raw;
      },
      onBody(chunk) {
        bytes += chunk.byteLength;
        chunks.push(chunk);
        if (bytes <= answerMaxBytes) return;
        clearTimeout(timer);
        connection.destroy();
        resolve({ status, headers, body: undefined });
      },
      onEnd() {
        clearTimeout(timer);
        resolve({ status, headers, body: Buffer.concat(chunks) });
      },
      onFailure(error) {
        clearTimeout(timer);
        reject(error);
      },
    };
    const connection = upstream.pool.send({ method, head: formatHead(upstream, question), body }, listener);
  });
}

function formatHead({ origin }: Upstream, { method, path, headers, body }: UpstreamQuestion): string {
  const length = ["content-length", String(body.byteLength)];
  return formatRequestHead({ method, url: path }, [
    ["host", new URL(origin).host],
    Object.entries(headers).flat(),
    length,
  ]);
}
