import { CONTROL_SILO_NAME, type Silo } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import type { Network } from "../network/network.js";
import { createDescribe } from "../peers/describe-peer.js";
import { PeerContracts } from "../peers/peer-contracts.js";
import type { CellResolver } from "../resolver.js";
import type { MethodSwitch, RpcLimits } from "../settings.js";
import type { KeyRing } from "../signing/keys.js";
import { createPeer, type Peer } from "./peer.js";
import { createRemoteTransport, type TransportFactory } from "./remote-transport.js";

/** What calls to other silos are made with. */
export interface RemoteOptions {
  readonly silo: Silo;
  readonly version: string;
  readonly isOperator?: boolean;
  readonly network: Network;
  readonly keys: KeyRing;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly controlAddress: string;
  readonly resolver?: CellResolver;
  readonly limits: RpcLimits;
  readonly methodSwitch: MethodSwitch;
  /** Default true. */
  readonly useBinaryFormat?: boolean;
}

/** What leaves a silo: transports, and what is known of those who answer. */
export interface Remote {
  readonly transportFor: TransportFactory;
  readonly contracts: PeerContracts;
  readonly controlAddress: string;
  readonly controlName: string;
}

/** The name for calls that ask what a silo serves. */
const RUNTIME_SERVICE = "runtime";

/** An operator stands where control does; everybody else calls it by its own name. */
export function controlNameOf({ isOperator, silo }: Pick<RemoteOptions, "isOperator" | "silo">): string {
  return isOperator === true ? silo.name : CONTROL_SILO_NAME;
}

/** Creates the way out of a silo. Connects on the first call. */
export function createRemote(options: RemoteOptions): Remote {
  const { limits, metrics, logger, controlAddress } = options;
  const controlName = controlNameOf(options);
  const contracts = new PeerContracts({
    limits,
    metrics,
    logger,
    describe: (destination, known) => describe(destination, known),
  });
  const transportFor = createRemoteTransport({
    ...options,
    resolver: options.resolver,
    controlName,
    contracts,
    peerOf: createPeers(limits, metrics),
    signer: { caller: options.silo.name, keys: options.keys },
  });
  const describe = createDescribe(transportFor(RUNTIME_SERVICE), {
    controlName,
    timeoutMs: limits.peerDescribeTimeoutMs,
  });
  return { transportFor, contracts, controlAddress, controlName };
}

function createPeers(limits: RpcLimits, metrics: Metrics): (silo: string) => Peer {
  const peers = new Map<string, Peer>();
  return (silo) => {
    let peer = peers.get(silo);
    if (peer === undefined) {
      peer = createPeer(silo, limits, metrics);
      peers.set(silo, peer);
    }
    return peer;
  };
}
