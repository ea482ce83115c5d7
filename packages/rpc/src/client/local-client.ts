import type { DescMethodUnary, DescService, MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions, Client } from "@connectrpc/connect";
import type { DirectTransport } from "./direct-transport.js";

type UnaryFn = (request: MessageInitShape<never>, options?: CallOptions) => Promise<unknown>;

/** Lets the client of a service that runs here take the short way where a call gives no options. */
export function shortenLocalCalls<S extends DescService>(
  service: S,
  client: Client<S>,
  direct: DirectTransport,
): Client<S> {
  const methods = client as Record<string, unknown>;
  for (const method of service.methods) {
    if (method.methodKind !== "unary") continue;
    const unary = method as DescMethodUnary;
    const call = methods[method.localName] as UnaryFn;
    const short: UnaryFn = (request, options) =>
      options === undefined ? direct.call(unary, request) : call(request, options);
    methods[method.localName] = short;
  }
  return client;
}
