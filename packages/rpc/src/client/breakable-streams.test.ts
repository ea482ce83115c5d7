import { Health } from "@cellway/gen/grpc/health/v1/health";
import type { Client } from "@connectrpc/connect";
import { expect, test } from "@jest/globals";
import { endStreamsOnBreak } from "./breakable-streams.js";

/** A client whose stream goes on until its signal aborts, as a server's generator would. */
function createClient(seen: { signal?: AbortSignal | undefined }): Client<typeof Health> {
  const client = {
    async *watch(_request: object, options?: { signal?: AbortSignal }) {
      seen.signal = options?.signal;
      for (;;) yield { status: 1 };
    },
  };
  return endStreamsOnBreak(Health, client as unknown as Client<typeof Health>);
}

test("leaving the loop over a stream aborts its call", async () => {
  const seen: { signal?: AbortSignal } = {};
  let messages = 0;
  for await (const _message of createClient(seen).watch({})) {
    messages += 1;
    if (messages === 3) break;
  }
  expect([messages, seen.signal?.aborted]).toEqual([3, true]);
});

test("an error inside the loop aborts the call too", async () => {
  const seen: { signal?: AbortSignal } = {};
  const loop = async () => {
    for await (const _message of createClient(seen).watch({})) throw new Error("inside");
  };
  await expect(loop()).rejects.toThrow("inside");
  expect(seen.signal?.aborted).toBe(true);
});

test("the caller's own signal still ends the stream", async () => {
  const seen: { signal?: AbortSignal } = {};
  const controller = new AbortController();
  const stream = createClient(seen).watch({}, { signal: controller.signal })[Symbol.asyncIterator]();
  await stream.next();
  controller.abort();
  expect(seen.signal?.aborted).toBe(true);
  await stream.return?.();
});
