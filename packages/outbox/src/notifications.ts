import type { Logger } from "@cellway/telemetry";
import pg from "pg";

/** After which a notification to ourselves that has not come means that none will: a pooler is in between. */
const ECHO_MS = 1_000;
const RECONNECT_MS = 250;
/** How long a server may take to say goodbye. */
const END_MAX_MS = 1_000;

/**
 * Hears of committed rows over a connection of its own. Only ever an accelerator: whoever uses it also polls, often while
 * {@link isWorking} is false.
 */
export class Notifications {
  private client: pg.Client | undefined;
  private isStopped = false;
  private echoed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: {
      readonly connection: pg.ClientConfig;
      readonly channel: string;
      readonly logger: Logger;
      readonly onNotify: () => void;
    },
  ) {}

  /** Whether notifications are known to arrive. */
  get isWorking(): boolean {
    return this.echoed;
  }

  start(): void {
    void this.connect();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    const { client } = this;
    this.client = undefined;
    if (client === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_MAX_MS);
    });
    await Promise.race([client.end().catch(() => undefined), over]);
    clearTimeout(timer);
  }

  private async connect(): Promise<void> {
    if (this.isStopped) return;
    const { connection, channel } = this.options;
    const client = new pg.Client(connection);
    this.client = client;
    client.on("error", () => this.lose(client));
    client.on("end", () => this.lose(client));
    client.on("notification", () => {
      this.echoed = this.client === client;
      this.options.onNotify();
    });
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
      // Through a transaction pooler LISTEN succeeds and nothing ever comes.
      await client.query(`select pg_notify('${channel}', '')`);
      // Lost meanwhile: the timer is the one that connects again.
      if (this.client !== client) return;
      this.timer = setTimeout(() => {
        if (!this.echoed && this.client === client)
          this.options.logger.warn({ channel }, "notifications do not arrive; the outbox is polled instead");
      }, ECHO_MS);
      this.timer.unref();
    } catch {
      this.lose(client);
    }
  }

  private lose(client: pg.Client): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.echoed = false;
    void client.end().catch(() => undefined);
    if (this.isStopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), RECONNECT_MS * (1 + Math.random()));
    this.timer.unref();
    // Something may have been committed in between.
    this.options.onNotify();
  }
}
