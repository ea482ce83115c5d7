import { connect, type Socket } from "node:net";

/** How one exchange ended: the status of an answer that is whole, or 0 when the connection ended first. */
export type OnAnswer = (status: number) => void;

/** A keep-alive connection of a client that costs next to nothing: one request at a time, written as it is. */
export class LoadConnection {
  private readonly socket: Socket;
  private onAnswer: OnAnswer | undefined;
  private head = "";
  private left = 0;
  private status = 0;
  isOpen = true;

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (chunk) => this.read(chunk));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isOpen = false;
      this.finish(0);
    });
  }

  /** Sends a request; what was asked before must have been answered. */
  send(request: Buffer, onAnswer: OnAnswer): void {
    this.onAnswer = onAnswer;
    if (this.isOpen) this.socket.write(request);
    else this.finish(0);
  }

  destroy(): void {
    this.onAnswer = undefined;
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    let rest = chunk.byteLength;
    if (this.left === 0) {
      const before = this.head.length;
      this.head += chunk.toString("latin1", 0, Math.min(chunk.byteLength, 16_384));
      const end = this.head.indexOf("\r\n\r\n");
      if (end < 0) return;
      rest -= end + 4 - before;
      this.readHead(this.head.slice(0, end));
      this.head = "";
    }
    this.left -= rest;
    if (this.left === 0) this.finish(this.status);
  }

  private readHead(head: string): void {
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error(`This client reads answers of a stated length: ${head}`);
    this.status = Number(head.slice(9, 12));
    this.left = Number(length);
    // Whoever says so ends the connection after the answer; nothing more is sent on it.
    if (/\r\nconnection: *close/i.test(head)) this.isOpen = false;
  }

  private finish(status: number): void {
    const { onAnswer } = this;
    this.onAnswer = undefined;
    onAnswer?.(status);
  }
}
