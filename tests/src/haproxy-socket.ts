import { createServer, type Server, type Socket } from "node:net";

/** A server that speaks as much of HAProxy's runtime API as concerns maps, on a UNIX socket, and can be made to fail. */
export class HaproxySocket {
  /** Map files and what they hold, by id. */
  readonly maps: { path: string; entries: [string, string][] }[] = [];
  /** Every command that came. */
  readonly commands: string[] = [];
  pid = 100;
  /** Commands until the next connection breaks without an answer. */
  breakAfter = Number.POSITIVE_INFINITY;
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;

  constructor(readonly path: string) {}

  async start(): Promise<void> {
    const server = createServer((socket) => this.serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(this.path, resolve);
    });
    this.server = server;
  }

  /** What is routed: the first entry of a key counts. */
  read(id: number): Map<string, string> {
    return new Map([...(this.maps[id]?.entries ?? [])].reverse());
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => (this.server === undefined ? resolve(undefined) : this.server.close(resolve)));
    this.server = undefined;
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket)).on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        this.breakAfter -= 1;
        if (this.breakAfter < 0) {
          this.breakAfter = Number.POSITIVE_INFINITY;
          return void socket.destroy();
        }
        // As HAProxy does, which also is why a key must not hold one.
        for (const command of line.split(";")) socket.write(`${this.run(command.trim())}\n> `);
      }
    });
  }

  private run(command: string): string {
    this.commands.push(command);
    const [verb, what, id = "", key = "", value = ""] = command.split(" ");
    if (verb === "prompt") return "";
    if (command === "show info") return `Name: HAProxy\nPid: ${this.pid}\n`;
    if (command === "show map")
      return `# id (file) description\n${this.maps.map(({ path }, at) => `${at} (${path}) pattern loaded\n`).join("")}`;
    const map = this.maps[Number(id.slice(1))];
    if (what !== "map" || map === undefined) return "Unknown map identifier. Please use #<id> or <file>.\n";
    const held = map.entries.filter(([one]) => one === key);
    if (verb === "show") return map.entries.map(([one, other]) => `0x55d0 ${one} ${other}\n`).join("");
    if (verb === "add") map.entries.push([key, value]);
    else if (held.length === 0) return verb === "set" ? "entry not found.\n" : "Key not found.\n";
    else if (verb === "set") for (const entry of held) entry[1] = value;
    else map.entries = map.entries.filter(([one]) => one !== key);
    return "";
  }
}
