import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  isMessage,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { currentCall } from "../context.js";
import { methodPolicyOf } from "../contract.js";
import { fieldNumbersOf } from "../peers/contract-index.js";
import { assertKey, type CellResolver, resolveDestination } from "../resolver.js";
import type { RpcLimits } from "../settings.js";
import { endStreamsOnBreak } from "./breakable-streams.js";
import type { DirectTransport } from "./direct-transport.js";
import { shortenLocalCalls } from "./local-client.js";
import type { Remote } from "./remote.js";

/** How code calls services, wherever they run. */
export interface RpcCaller {
  /** A client of a service: in process where it runs here, else over the network. The same for the same service. */
  client<S extends DescService>(service: S): Client<S>;
  /**
   * Whether the other end of a call has the method, and the request's field: the way to call what may not be everywhere
   * yet. True when every process that the silo was lately seen to have has it; in process always. Answers from memory, and
   * asks the silo, within the time that the call being served has left, where it does not know. False when it cannot be
   * told.
   *
   * @param request - what the call would send: says which cell. Not needed for control's methods.
   * @param options.field - a field of the request by its path, as the contract writes it: `member.role`.
   * @throws INVALID_ARGUMENT for a request that does not say where it goes; ContractError for a field that is none.
   */
  peerSupports<M extends DescMethod>(
    method: M,
    request?: MessageInitShape<M["input"]>,
    options?: { readonly field?: string },
  ): Promise<boolean>;
}

/** What callers are made of. */
export interface CallersOptions extends Remote {
  readonly resolver: CellResolver | undefined;
  readonly limits: RpcLimits;
  readonly direct: DirectTransport;
  /** Whether a service runs in this process. */
  readonly isHere: (service: DescService) => boolean;
}

/** Gives the code of each service, by its name, its own way to call. */
export function createCallers(options: CallersOptions): (callerService: string) => RpcCaller {
  const peerSupports: RpcCaller["peerSupports"] = (method, request, choice) =>
    askSupport(options, method, request, choice?.field);
  return (callerService) => {
    const remote = options.transportFor(callerService);
    const clients = new Map<DescService, unknown>();
    return {
      client<S extends DescService>(service: S): Client<S> {
        let client = clients.get(service) as Client<S> | undefined;
        if (client === undefined) {
          const isHere = options.isHere(service);
          client = createClient(service, isHere ? options.direct : remote);
          if (isHere) shortenLocalCalls(service, client, options.direct);
          endStreamsOnBreak(service, client);
          clients.set(service, client);
        }
        return client;
      },
      peerSupports,
    };
  };
}

/** Codes by which finding the cell fails for now, or because there is none: nothing can be said of its contract. */
const UNKNOWN_PEER: ReadonlySet<Code> = new Set([
  Code.NotFound,
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.ResourceExhausted,
]);

async function askSupport(
  options: CallersOptions,
  method: DescMethod,
  request: object | undefined,
  field: string | undefined,
): Promise<boolean> {
  const policy = methodPolicyOf(method);
  const numbers = field === undefined ? [] : fieldNumbersOf(method, field);
  const message = isMessage(request, method.input)
    ? request
    : create(method.input, request as MessageInitShape<DescMessage> | undefined);
  assertKey(policy, message);
  if (options.isHere(method.parent)) return true;
  const leftMs = (currentCall()?.deadlineAtMs ?? Number.POSITIVE_INFINITY) - Date.now();
  try {
    const resolution = await resolveDestination(policy, message, options);
    if ("unmapped" in resolution) return false;
    const timeoutMs = Math.min(leftMs, options.limits.peerDescribeTimeoutMs);
    return await options.contracts.supports(resolution.destination, { path: policy.path, numbers }, timeoutMs);
  } catch (error) {
    if (error instanceof ConnectError && UNKNOWN_PEER.has(error.code)) return false;
    throw error;
  }
}
