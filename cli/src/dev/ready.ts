import { setTimeout as delay } from "node:timers/promises";
import { CommandError } from "../errors.js";
import type { SiloProcess } from "./silo-process.js";

const POLL_MS = 50;
const PROBE_TIMEOUT_MS = 2_000;

/**
 * Waits until the silo's `/readyz` answers 200.
 *
 * @throws CommandError with the silo's last log lines when it ends first, or is not ready in time.
 */
export async function waitUntilReady(
  silo: { name: string; httpAddress: string },
  process: SiloProcess,
  options: { deadlineAtMs: number; signal?: AbortSignal },
): Promise<void> {
  let ended: string | undefined;
  void process.ended.then((how) => {
    ended = how;
  });
  for (;;) {
    options.signal?.throwIfAborted();
    if (ended !== undefined) throw createStartError(`${silo.name} ended while it started (${ended})`, process);
    const answer = await probe(silo.httpAddress);
    if (answer === "ready") return;
    if (Date.now() >= options.deadlineAtMs)
      throw createStartError(`${silo.name} was not ready in time; ${silo.httpAddress}/readyz: ${answer}`, process);
    await delay(POLL_MS);
  }
}

async function probe(address: string): Promise<string> {
  try {
    const response = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    const text = await response.text();
    return response.status === 200 ? "ready" : text.trim();
  } catch (error) {
    const { cause, message } = error as Error;
    return cause instanceof Error ? cause.message : message;
  }
}

function createStartError(what: string, process: SiloProcess): CommandError {
  const lines = process.tail();
  return new CommandError(
    `${what}.${lines.length === 0 ? " It logged nothing." : `\n${lines.map((line) => `  ${line}`).join("\n")}`}`,
  );
}
