/** Told of an answer as it comes. None of its functions may throw. */
export interface AnswerSink {
  /** The final status line and headers: names, as they were sent, and values in turn. 1xx are not told. */
  onHead(status: number, message: string, headers: readonly string[]): void;
  /** @param isLast whether the body ends with it; false says nothing where the length was not known. */
  onBody(chunk: Buffer, isLast: boolean): void;
}

/** What was answered is not HTTP/1.1, or goes beyond a limit. */
export class BadAnswerError extends Error {
  override readonly name = "BadAnswerError";
  readonly code = "UPSTREAM_BAD_ANSWER";
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const LENGTH = /^\d{1,15}$/;
/** A length in hexadecimal digits, and extensions, which say nothing here. */
const CHUNK_LINE = /^([0-9a-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;
const CHUNK_LINE_MAX_BYTES = 1_024;

type State = "head" | "length" | "untilClose" | "chunkLine" | "chunk" | "chunkEnd" | "trailers" | "end";

/**
 * Reads answers off a connection, one after the other (RFC 9112), and takes nothing that two readers could understand
 * differently: line ends are CRLF, a length stands once, chunks are the only coding.
 */
export class AnswerParser {
  /** Whether the connection can carry another request after the answer that was read. */
  isReusable = true;
  /** For how long the other side says that it keeps an idle connection; undefined when it does not say. */
  keepAliveS: number | undefined;
  private state: State = "head";
  private sink: AnswerSink | undefined;
  private isHead = false;
  /** A line or a head of which the end is still to come. */
  private text = "";
  /** Bytes of the body, or of the chunk, that are still to come. */
  private left = 0;
  private trailers: string[] = [];

  constructor(private readonly headersMaxBytes: number) {}

  /** From here on an answer comes. @param isHead whether it is one to HEAD. */
  begin(sink: AnswerSink, isHead: boolean): void {
    this.sink = sink;
    this.isHead = isHead;
    this.state = "head";
    this.text = "";
    this.trailers = [];
  }

  /**
   * Reads what came. @returns the trailers, names and values in turn, once the answer is whole; undefined before.
   * @throws BadAnswerError
   */
  read(chunk: Buffer): readonly string[] | undefined {
    let rest = chunk;
    while (rest.byteLength > 0 && this.state !== "end") rest = this.step(rest);
    if (this.state !== "end") return undefined;
    // Nobody asked for what comes after the end.
    if (rest.byteLength > 0) this.isReusable = false;
    return this.trailers;
  }

  /** Nobody is told any more; what was asked can be forgotten. */
  end(): void {
    this.sink = undefined;
    this.trailers = [];
  }

  /** The connection has ended. @returns whether the answer is whole by that. */
  finish(): boolean {
    this.isReusable = false;
    return this.state === "untilClose";
  }

  private step(rest: Buffer): Buffer {
    switch (this.state) {
      case "head":
        return this.readHead(rest);
      case "length":
      case "chunk":
        return this.readBody(rest);
      case "untilClose":
        this.sink?.onBody(rest, false);
        return NOTHING;
      case "trailers":
        return this.readTrailers(rest);
      default:
        return this.readChunkLine(rest);
    }
  }

  private readHead(rest: Buffer): Buffer {
    const known = this.text.length;
    const whole = known === 0 ? rest.indexOf("\r\n\r\n") : -1;
    if (whole >= 0) {
      if (whole > this.headersMaxBytes) throw new BadAnswerError("The headers of an answer are too large.");
      this.takeHead(rest.toString("latin1", 0, whole));
      return rest.subarray(whole + 4);
    }
    this.text += rest.toString("latin1", 0, this.headersMaxBytes + 4);
    const end = this.text.indexOf("\r\n\r\n", Math.max(0, known - 3));
    if (end < 0 ? this.text.length > this.headersMaxBytes : end > this.headersMaxBytes)
      throw new BadAnswerError("The headers of an answer are too large.");
    if (!"HTTP/1.".startsWith(this.text.slice(0, 7))) throw new BadAnswerError("An answer is not HTTP/1.1.");
    if (end < 0) return NOTHING;
    const head = this.text.slice(0, end);
    this.text = "";
    this.takeHead(head);
    return rest.subarray(end + 4 - known);
  }

  private takeHead(head: string): void {
    const [first = "", ...lines] = head.split("\r\n");
    const line = STATUS_LINE.exec(first);
    if (line === null) throw new BadAnswerError("The status line of an answer is not HTTP/1.1.");
    const status = Number(line[2]);
    const headers = readFields(lines);
    // News of the connection; the answer is still to come. Nobody asked to change the protocol.
    if (status < 200 && status !== 101) return;
    if (status === 101) throw new BadAnswerError("An upstream changes the protocol without being asked to.");
    const framing = readFraming(headers);
    this.isReusable = framing.isKeptAlive ?? line[1] === "1";
    this.keepAliveS = framing.keepAliveS;
    this.left = framing.length ?? 0;
    const isBodyless = this.isHead || status === 204 || status === 304;
    if (isBodyless) this.state = "end";
    else if (framing.isChunked) this.state = "chunkLine";
    else if (framing.length === undefined) this.state = "untilClose";
    else this.state = this.left === 0 ? "end" : "length";
    // Two framings: the chunks hold, and nothing that comes after them is believed.
    if (framing.isChunked && framing.length !== undefined) this.isReusable = false;
    this.sink?.onHead(status, line[3] ?? "", headers);
  }

  private readBody(rest: Buffer): Buffer {
    const chunk = rest.byteLength > this.left ? rest.subarray(0, this.left) : rest;
    this.left -= chunk.byteLength;
    const isLast = this.left === 0 && this.state === "length";
    if (this.left === 0) this.state = isLast ? "end" : "chunkEnd";
    this.sink?.onBody(chunk, isLast);
    return rest.subarray(chunk.byteLength);
  }

  /** The line before a chunk, or the empty one after it. */
  private readChunkLine(rest: Buffer): Buffer {
    const line = this.takeLine(rest, CHUNK_LINE_MAX_BYTES);
    if (line === undefined) return NOTHING;
    if (this.state === "chunkEnd") {
      if (line.text !== "") throw new BadAnswerError("A chunk of an answer is longer than it says.");
      this.state = "chunkLine";
      return line.rest;
    }
    const length = CHUNK_LINE.exec(line.text)?.[1];
    if (length === undefined) throw new BadAnswerError("A chunk of an answer has no valid length.");
    this.left = Number.parseInt(length, 16);
    this.state = this.left === 0 ? "trailers" : "chunk";
    return line.rest;
  }

  private readTrailers(rest: Buffer): Buffer {
    const line = this.takeLine(rest, this.headersMaxBytes);
    if (line === undefined) return NOTHING;
    if (line.text === "") this.state = "end";
    else this.trailers.push(...readFields([line.text]));
    if (this.trailers.length > TRAILER_PARTS_MAX) throw new BadAnswerError("An answer has too many trailers.");
    return line.rest;
  }

  private takeLine(rest: Buffer, maxBytes: number): { text: string; rest: Buffer } | undefined {
    const known = this.text.length;
    this.text += rest.toString("latin1", 0, maxBytes + 2);
    const end = this.text.indexOf("\r\n", Math.max(0, known - 1));
    if (end < 0 ? this.text.length > maxBytes : end > maxBytes)
      throw new BadAnswerError("A line of an answer is too long.");
    if (end < 0) return undefined;
    const text = this.text.slice(0, end);
    this.text = "";
    return { text, rest: rest.subarray(end + 2 - known) };
  }
}

const NOTHING = Buffer.alloc(0);
/** Names and values. */
const TRAILER_PARTS_MAX = 200;

function readFields(lines: readonly string[]): string[] {
  const fields: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon));
    let from = colon + 1;
    let to = line.length;
    while (from < to && isBlank(line.charCodeAt(from))) from += 1;
    while (to > from && isBlank(line.charCodeAt(to - 1))) to -= 1;
    const value = line.slice(from, to);
    if (!NAME.test(name) || NOT_IN_VALUE.test(value)) throw new BadAnswerError("A header of an answer is not valid.");
    fields.push(name, value);
  }
  return fields;
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** What headers say of where the answer ends, and of the connection after it. */
interface Framing {
  length: number | undefined;
  isChunked: boolean;
  /** Undefined when nothing is said. */
  isKeptAlive: boolean | undefined;
  keepAliveS: number | undefined;
}

function readFraming(headers: readonly string[]): Framing {
  const framing: Framing = { length: undefined, isChunked: false, isKeptAlive: undefined, keepAliveS: undefined };
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    // The lengths of connection, keep-alive, content-length and transfer-encoding.
    if (name.length !== 10 && name.length !== 14 && name.length !== 17) continue;
    takeFraming(framing, name.toLowerCase(), headers[index + 1] as string);
  }
  return framing;
}

function takeFraming(framing: Framing, name: string, value: string): void {
  if (name === "content-length") {
    if (framing.length !== undefined || !LENGTH.test(value))
      throw new BadAnswerError("The length of an answer is not one number.");
    framing.length = Number(value);
  } else if (name === "transfer-encoding") {
    if (framing.isChunked || value.toLowerCase() !== "chunked")
      throw new BadAnswerError("An answer has a transfer coding that is not chunked.");
    framing.isChunked = true;
  } else if (name === "connection") {
    if (/(?:^|,)\s*close\s*(?:,|$)/i.test(value)) framing.isKeptAlive = false;
    else if (/(?:^|,)\s*keep-alive\s*(?:,|$)/i.test(value)) framing.isKeptAlive ??= true;
  } else if (name === "keep-alive") {
    const seconds = /(?:^|,)\s*timeout=(\d{1,6})/i.exec(value)?.[1];
    if (seconds !== undefined) framing.keepAliveS = Number(seconds);
  }
}
