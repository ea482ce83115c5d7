import { describe, expect, it } from "@jest/globals";
import { AnswerParser, BadAnswerError } from "./answer-parser.js";

interface Read {
  readonly status: number;
  readonly message: string;
  readonly headers: readonly string[];
  readonly body: string;
  /** Undefined while the answer is not whole. */
  readonly trailers: readonly string[] | undefined;
  readonly isReusable: boolean;
}

/** Reads bytes that come in these pieces. */
function readPieces(pieces: readonly Buffer[], { isHead = false } = {}): Read {
  const parser = new AnswerParser(1_024);
  const read = { status: 0, message: "", headers: [] as readonly string[], body: "" };
  const onHead = (status: number, message: string, headers: readonly string[]) => {
    Object.assign(read, { status, message, headers });
  };
  const onBody = (chunk: Buffer) => {
    read.body += chunk.toString("latin1");
  };
  parser.begin({ onHead, onBody }, isHead);
  let trailers: readonly string[] | undefined;
  for (const piece of pieces) trailers = parser.read(piece);
  return { ...read, trailers, isReusable: parser.isReusable };
}

const read = (text: string, options?: { isHead?: boolean }) => readPieces([Buffer.from(text, "latin1")], options);

const CHUNKED =
  "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A:  b \r\n\r\n" +
  "3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nx-sum: 42\r\n\r\n";

describe("an answer", () => {
  it("is read the same however its bytes are cut, with chunks, early hints and trailers", () => {
    const whole = read(CHUNKED);
    expect(whole).toEqual({
      status: 200,
      message: "OK",
      headers: ["Transfer-Encoding", "chunked", "X-A", "b"],
      body: "abc0123456789",
      trailers: ["x-sum", "42"],
      isReusable: true,
    });
    const bytes = Buffer.from(CHUNKED, "latin1");
    for (let cut = 1; cut < bytes.byteLength; cut += 1)
      expect(readPieces([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole);
    expect(readPieces([...bytes].map((byte) => Buffer.of(byte)))).toEqual(whole);
  });

  it.each([
    ["a length", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "abc", true],
    ["a length of nothing", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true],
    ["no body by its status", "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", "", true],
    ["no reason", "HTTP/1.1 204\r\n\r\n", "", true],
    [
      "a connection that ends after it",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\na",
      "a",
      false,
    ],
    ["an old version", "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", "a", false],
    ["more than was asked for behind it", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabHTTP/1.1", "a", false],
    [
      "a length beside chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
      "a",
      false,
    ],
  ])(
    "with %s ends where it says, and its connection is used again only when it can be",
    (_what, text, body, isReusable) => {
      expect(read(text)).toMatchObject({ body, isReusable, trailers: [] });
    },
  );

  it("to HEAD has no body, whatever its length says", () => {
    expect(read("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", { isHead: true })).toMatchObject({ trailers: [] });
  });

  it("without a length goes on until the connection ends, and only that makes it whole", () => {
    const parser = new AnswerParser(1_024);
    let body = "";
    const onBody = (chunk: Buffer) => {
      body += chunk.toString();
    };
    parser.begin({ onHead: () => {}, onBody }, false);
    expect(parser.read(Buffer.from("HTTP/1.1 200 OK\r\n\r\nall that"))).toBeUndefined();
    expect([parser.finish(), body, parser.isReusable]).toEqual([true, "all that", false]);
    parser.begin({ onHead: () => {}, onBody }, false);
    parser.read(Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"));
    expect(parser.finish()).toBe(false);
  });
});

describe("what two readers could understand differently is refused", () => {
  const head = (line: string) => `HTTP/1.1 200 OK\r\n${line}\r\n\r\n`;
  it.each([
    ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n"],
    ["a version that is not spoken", "HTTP/2.0 200 OK\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["an upgrade that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ["two lengths", head("content-length: 1\r\ncontent-length: 1")],
    ["a list of lengths", head("content-length: 1, 1")],
    ["a length with a sign", head("content-length: +1")],
    ["a length that no number holds", head("content-length: 99999999999999999999")],
    ["a coding before the chunks", head("transfer-encoding: gzip, chunked")],
    ["chunks twice", head("transfer-encoding: chunked\r\ntransfer-encoding: chunked")],
    ["a coding that is not chunks", head("transfer-encoding: identity")],
    ["a folded header", head("x-a: b\r\n c")],
    ["a space before the colon", head("x-a : b")],
    ["a header without a name", head(": b")],
    ["a header without a colon", head("x-a")],
    ["a bare line end in a value", head("x-a: b\nx-c: d")],
    ["a zero byte", head("x-a: b\0c")],
    ["headers without end", `HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(2_000)}`],
    ["a chunk without a length", `${head("transfer-encoding: chunked")}\r\nabc`],
    ["a chunk with a sign", `${head("transfer-encoding: chunked")}-1\r\nabc`],
    ["a chunk of a length that no number holds", `${head("transfer-encoding: chunked")}fffffffffffffffff\r\n`],
    ["a chunk that is longer than it says", `${head("transfer-encoding: chunked")}1\r\nab\r\n0\r\n\r\n`],
    ["a bare line end after a chunk's length", `${head("transfer-encoding: chunked")}1\na\r\n0\r\n\r\n`],
    ["a line without end before a chunk", `${head("transfer-encoding: chunked")}1;${"a".repeat(2_000)}`],
    ["trailers without end", `${head("transfer-encoding: chunked")}0\r\n${"a: b\r\n".repeat(200)}\r\n`],
  ])("%s", (_what, text) => {
    expect(() => read(text)).toThrow(BadAnswerError);
    expect(() => readPieces([...Buffer.from(text, "latin1")].map((byte) => Buffer.of(byte)))).toThrow(BadAnswerError);
  });
});
