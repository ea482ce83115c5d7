import { LoadConnection } from "./load-connection.js";

/** What came of requests that are sent at a steady rate, whatever becomes of those before. */
export interface OpenLoopSample {
  /** From the sending to the end of the answer, in milliseconds, of those that were answered. */
  readonly latencies: readonly number[];
  /** How often each status was answered; 0 stands for a connection that ended, -1 for no answer in the window. */
  readonly statuses: ReadonlyMap<number, number>;
}

/** Requests a second, from a list that is gone round. */
export interface Stream {
  readonly requests: readonly Buffer[];
  readonly perSecond: number;
}

/** Sends streams of requests side by side for `windowMs`, each request on a connection that waits for nothing. */
export async function runOpenLoop(
  port: number,
  streams: readonly Stream[],
  windowMs: number,
): Promise<OpenLoopSample[]> {
  const senders = streams.map((stream) => new Sender(port, stream));
  const startedAt = performance.now();
  for (;;) {
    const elapsedMs = performance.now() - startedAt;
    for (const sender of senders) sender.sendUntil(Math.min(elapsedMs, windowMs));
    if (elapsedMs >= windowMs) break;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return senders.map((sender) => sender.finish());
}

class Sender {
  private readonly idle: LoadConnection[] = [];
  private readonly busy = new Set<LoadConnection>();
  private readonly latencies: number[] = [];
  private readonly statuses = new Map<number, number>();
  private sent = 0;

  constructor(
    private readonly port: number,
    private readonly stream: Stream,
  ) {}

  sendUntil(elapsedMs: number): void {
    const due = (elapsedMs / 1_000) * this.stream.perSecond;
    while (this.sent < due) this.send();
  }

  finish(): OpenLoopSample {
    if (this.busy.size > 0) this.statuses.set(-1, this.busy.size);
    for (const connection of [...this.idle, ...this.busy]) connection.destroy();
    return { latencies: this.latencies, statuses: this.statuses };
  }

  private send(): void {
    let connection = this.idle.pop();
    while (connection?.isOpen === false) connection = this.idle.pop();
    const used = connection ?? new LoadConnection(this.port);
    this.busy.add(used);
    const { requests } = this.stream;
    const sentAt = performance.now();
    used.send(requests[this.sent % requests.length] as Buffer, (status) => {
      this.busy.delete(used);
      if (status !== 0) this.latencies.push(performance.now() - sentAt);
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      if (used.isOpen) this.idle.push(used);
      else used.destroy();
    });
    this.sent += 1;
  }
}
