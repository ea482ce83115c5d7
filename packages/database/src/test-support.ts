import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded/start-embedded-postgres.js";

/** For the tests of this package: a PostgreSQL for one test file. `stop()` leaves nothing behind. */
export async function startTestPostgres(): Promise<EmbeddedPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-test-"));
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  return {
    ...postgres,
    async stop() {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Lends a connected client. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Waits until the condition holds; for what no event tells, such as the end of another process's child. */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs = 3_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms`);
    await delay(20);
  }
}

/** A way to a server through a process in between. */
export interface Relay {
  readonly socketDir: string;
  stop(): Promise<void>;
}

/** A stand-in for a connection pooler that refuses, or drops, startup parameters it does not track. */
export function startFakePooler(serverSocketDir: string, mode: "refuse" | "ignore"): Promise<Relay> {
  return startRelay((client) => {
    client.once("data", (startup) => relayStartup(client, startup, serverSocketDir, mode));
  });
}

/** A way on which connections stay open after the server has ended them, and which can be made to swallow all answers. */
export async function startLingering(serverSocketDir: string): Promise<Relay & { swallow(on: boolean): void }> {
  let swallows = false;
  const relay = await startRelay((client) => {
    const server = connect(join(serverSocketDir, ".s.PGSQL.5432"));
    server.on("error", () => {});
    server.on("data", (answer) => void (swallows || client.write(answer)));
    client.pipe(server);
  });
  return { ...relay, swallow: (on) => void (swallows = on) };
}

async function startRelay(onClient: (client: Socket) => void): Promise<Relay> {
  const socketDir = await mkdtemp(join(tmpdir(), "cellway-relay-"));
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("end", () => client.end());
    onClient(client);
  });
  await new Promise<void>((resolve) => server.listen(join(socketDir, ".s.PGSQL.5432"), resolve));
  return {
    socketDir,
    async stop() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(socketDir, { recursive: true, force: true });
    },
  };
}

function relayStartup(client: Socket, startup: Buffer, serverSocketDir: string, mode: "refuse" | "ignore"): void {
  const words = startup.subarray(8).toString("utf8").split("\0");
  const kept: string[] = [];
  for (let index = 0; words[index]; index += 2) {
    if (["user", "database", "application_name", "client_encoding"].includes(words[index] ?? ""))
      kept.push(words[index] ?? "", words[index + 1] ?? "");
    else if (mode === "refuse") {
      const fields = Buffer.from(`SFATAL\0C08P01\0Munsupported startup parameter: ${words[index]}\0\0`);
      client.end(Buffer.concat([Buffer.from("E"), int32(fields.length + 4), fields]));
      return;
    }
  }
  const body = Buffer.concat([startup.subarray(4, 8), Buffer.from(`${kept.join("\0")}\0\0`)]);
  const server = connect(join(serverSocketDir, ".s.PGSQL.5432"));
  server.on("error", () => client.destroy());
  server.write(Buffer.concat([int32(body.length + 4), body]));
  client.pipe(server).pipe(client);
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}
