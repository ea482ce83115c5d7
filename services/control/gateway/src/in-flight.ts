import type { EdgeHandlers } from "@cellway/http";

/** Counts the requests that are being sent on, so that a silo that stops can wait for them. */
export class InFlight {
  readonly handlers: EdgeHandlers;
  private count = 0;
  private isDraining = false;
  private onNone = () => {};

  constructor(handlers: EdgeHandlers) {
    this.handlers = {
      onRequest: (req, res) => {
        this.begin();
        res.once("close", () => this.end());
        // Told with the answer, so that the client opens its next connection elsewhere.
        if (this.isDraining) res.shouldKeepAlive = false;
        handlers.onRequest(req, res);
      },
      onUpgrade: (upgrade) => {
        this.begin();
        upgrade.socket.once("close", () => this.end());
        handlers.onUpgrade(upgrade);
      },
    };
  }

  /** Resolves when nothing is in flight, at the latest after `graceMs`. */
  drain(graceMs: number): Promise<void> {
    this.isDraining = true;
    if (this.count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.onNone = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private begin(): void {
    this.count += 1;
  }

  private end(): void {
    this.count -= 1;
    if (this.count === 0) this.onNone();
  }
}
