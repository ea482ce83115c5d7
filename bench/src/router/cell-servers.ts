import { createServer, type Socket } from "node:net";
import { type Fault, type FaultOrder, LARGE_BODY_BYTES, SMALL_BODY_BYTES } from "./cells.js";

/** A process of its own: what listens at the cells' addresses, as cheap as it can be, and told over IPC to do wrong. */

const HOST = "127.0.0.1";
/** One byte of an answer at a time, this often, while it crawls. */
const CRAWL_MS = 100;

const small = createAnswer(SMALL_BODY_BYTES);
const large = createAnswer(LARGE_BODY_BYTES);
const taken = createAnswer(2);
const faults = new Map<number, Fault>();

function createAnswer(bytes: number): Buffer {
  const head = [
    "HTTP/1.1 200 OK",
    "content-type: application/json",
    `content-length: ${bytes}`,
    "cache-control: no-store",
    "date: Fri, 27 Nov 2026 00:00:00 GMT",
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.alloc(bytes, "x")]);
}

/** Reads requests off a connection: heads, and as many bytes of bodies as heads state or chunks carry. */
class RequestReader {
  private head = "";
  private left = 0;
  private isChunked = false;
  private tail = "";

  constructor(private readonly onRequest: (head: string) => void) {}

  push(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.byteLength) {
      if (this.left > 0) {
        const taken = Math.min(this.left, chunk.byteLength - from);
        this.left -= taken;
        from += taken;
        if (this.left === 0) this.finish();
      } else if (this.isChunked) {
        // All that matters of chunks is their end; nobody sends a second request before the answer.
        this.tail = (this.tail + chunk.subarray(Math.max(from, chunk.byteLength - 5)).toString("latin1")).slice(-5);
        from = chunk.byteLength;
        if (this.tail === "0\r\n\r\n") this.finish();
      } else {
        from = this.readHead(chunk, from);
      }
    }
  }

  private readHead(chunk: Buffer, from: number): number {
    const before = this.head.length;
    this.head += chunk.toString("latin1", from, Math.min(chunk.byteLength, from + 16_384));
    const end = this.head.indexOf("\r\n\r\n");
    if (end < 0) return chunk.byteLength;
    const next = from + end + 4 - before;
    this.head = this.head.slice(0, end);
    this.left = Number(/content-length: *(\d+)/i.exec(this.head)?.[1] ?? 0);
    this.isChunked = this.left === 0 && /transfer-encoding: *chunked/i.test(this.head);
    if (this.left === 0 && !this.isChunked) this.finish();
    return next;
  }

  private finish(): void {
    const { head } = this;
    this.head = "";
    this.tail = "";
    this.isChunked = false;
    this.onRequest(head);
  }
}

function answer(socket: Socket, head: string, fault: Fault): void {
  const whole = head.startsWith("POST") ? taken : head.includes("/large/") ? large : small;
  if (fault === "none") socket.write(whole);
  if (fault === "reset") socket.write(whole.subarray(0, 60), () => socket.resetAndDestroy());
  if (fault !== "crawl") return;
  let at = 0;
  const timer = setInterval(() => {
    socket.write(whole.subarray(at, at + 1));
    at += 1;
    if (at === whole.byteLength) clearInterval(timer);
  }, CRAWL_MS);
  socket.once("close", () => clearInterval(timer));
}

function serve(port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    const reader = new RequestReader((head) => answer(socket, head, faults.get(port) ?? "none"));
    socket.on("data", (chunk) => reader.push(chunk));
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen({ port, host: HOST, backlog: 2_048 }, resolve);
  });
}

process.on("message", ({ port, fault }: FaultOrder) => void faults.set(port, fault));
process.on("disconnect", () => process.exit(0));
await Promise.all(process.argv.slice(2).map((port) => serve(Number(port))));
process.send?.("ready");
