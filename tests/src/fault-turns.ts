import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { startTcpProxy } from "./tcp-proxy.js";

/** What can be done wrong between an edge and a cell: nothing, late, never, byte by byte, broken off, not even accepted. */
export const FAULTS = ["none", "latency", "hold", "crawl", "reset", "refuse"] as const;
type Fault = (typeof FAULTS)[number];

const LATENCY_MS = 20;
/** Bytes that come one by one, of each piece. */
const CRAWL_BYTES = 64;

/** A TCP proxy in front of an address, which does wrong in turns: each answer, or connection, has the next fault. */
export interface FaultProxy {
  readonly origin: string;
  /** How often each fault was done. */
  readonly done: Readonly<Record<Fault, number>>;
  /** Does nothing wrong from now on. */
  heal(): void;
  stop(): Promise<void>;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const done = { none: 0, latency: 0, hold: 0, crawl: 0, reset: 0, refuse: 0 };
  let turn = 0;
  let isHealed = false;
  const next = (): Fault => (isHealed ? "none" : (FAULTS[turn++ % FAULTS.length] ?? "none"));
  const proxy = await startTcpProxy(target, (near, chunk) => {
    const fault = next();
    done[fault] += 1;
    void spoil(near, chunk, fault);
  });
  return {
    origin: proxy.address,
    done,
    heal() {
      isHealed = true;
    },
    stop: () => proxy.stop(),
  };
}

async function spoil(near: Socket, chunk: Buffer, fault: Fault): Promise<void> {
  switch (fault) {
    case "none":
      near.write(chunk);
      return;
    case "latency":
      await pause(LATENCY_MS);
      near.write(chunk);
      return;
    case "hold":
      return;
    case "crawl":
      for (let at = 0; at < CRAWL_BYTES && !near.destroyed; at += 1) {
        near.write(chunk.subarray(at, at + 1));
        await new Promise((resolve) => setImmediate(resolve));
      }
      near.write(chunk.subarray(CRAWL_BYTES));
      return;
    case "reset":
      near.write(chunk.subarray(0, chunk.byteLength - 1));
      setImmediate(() => near.resetAndDestroy());
      return;
    case "refuse":
      near.resetAndDestroy();
      return;
  }
}
