import { createConnection, type Socket } from "node:net";
import { CommandError } from "../errors.js";

/** How long HAProxy may take for one command. */
const COMMAND_TIMEOUT_MS = 5_000;
/** The most that one answer may have: a map of some 4 million keys. */
const ANSWER_MAX_BYTES = 512 * 1024 * 1024;
const PROMPT = "\n> ";

/** HAProxy's runtime API over its UNIX socket, in interactive mode: a command, its answer, the next command. */
export class RuntimeSocket {
  private chunks: Buffer[] = [];
  private size = 0;
  private waiting: { resolve(answer: string): void; reject(error: Error): void } | undefined;
  private failure: Error | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => this.take(chunk));
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.fail(new CommandError("HAProxy closed the connection of its socket.")));
  }

  /** Connects. @throws the system's error, or CommandError when nothing answers in time. */
  static async open(path: string): Promise<RuntimeSocket> {
    const opened = new RuntimeSocket(createConnection(path));
    try {
      await opened.ask("prompt");
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /**
   * Sends one command and gives its answer, without the prompt. One at a time.
   *
   * @throws CommandError when the connection breaks or nothing is answered in time; no command is sent after that.
   */
  async ask(command: string): Promise<string> {
    if (/[\n\r;\\]|<</.test(command)) throw new Error("a command must be one command");
    if (this.failure !== undefined) throw this.failure;
    const timer = setTimeout(() => {
      this.fail(new CommandError(`HAProxy did not answer its socket within ${COMMAND_TIMEOUT_MS / 1_000} s.`));
    }, COMMAND_TIMEOUT_MS);
    try {
      return await new Promise<string>((resolve, reject) => {
        this.waiting = { resolve, reject };
        this.socket.write(`${command}\n`);
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
  }

  close(): void {
    this.fail(new CommandError("The connection to HAProxy's socket was closed."));
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (this.size > ANSWER_MAX_BYTES) return this.fail(new CommandError("HAProxy's answer is too long."));
    if (!this.endsWithPrompt()) return;
    const answer = Buffer.concat(this.chunks).toString("latin1");
    this.chunks = [];
    this.size = 0;
    this.waiting?.resolve(answer.slice(0, -PROMPT.length));
  }

  /** Looks at the last chunks alone: answers may be long. */
  private endsWithPrompt(): boolean {
    let tail = "";
    for (let i = this.chunks.length - 1; i >= 0 && tail.length < PROMPT.length; i -= 1)
      tail = (this.chunks[i]?.subarray(-PROMPT.length).toString("latin1") ?? "") + tail;
    return tail.endsWith(PROMPT);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.socket.destroy();
    this.waiting?.reject(error);
  }
}
