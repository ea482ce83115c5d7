import type { DescService } from "@bufbuild/protobuf";
import type { CallOptions, Client } from "@connectrpc/connect";
import { joinSignals } from "../context.js";

type StreamFn = (request: object, options?: CallOptions) => AsyncIterable<unknown>;

/**
 * Makes leaving a loop over a server stream end the call. Clients of connect-es do not tell anybody: the server's
 * generator would go on until its deadline.
 */
export function endStreamsOnBreak<S extends DescService>(service: S, client: Client<S>): Client<S> {
  const methods = client as Record<string, unknown>;
  for (const method of service.methods) {
    if (method.methodKind !== "server_streaming") continue;
    const call = methods[method.localName] as StreamFn;
    methods[method.localName] = (request: object, options?: CallOptions) => {
      const controller = new AbortController();
      const signal = joinSignals(controller.signal, options?.signal);
      return createBreakable(call(request, { ...options, ...(signal === undefined ? {} : { signal }) }), controller);
    };
  }
  return client;
}

function createBreakable(messages: AsyncIterable<unknown>, controller: AbortController): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        async return(value?: unknown) {
          controller.abort();
          // connect-es gives the deadline's timer up when it is asked for more, and not before.
          void iterator.next().catch(() => undefined);
          return { done: true, value };
        },
      };
    },
  };
}
