import { CellPeerService, ControlPeerService } from "@cellway/gen/cellway/contract/v1/peer";
import { createClient, createContextValues, type Transport } from "@connectrpc/connect";
import { kAsksContract, kDestination } from "../client/interceptors.js";
import type { Describe } from "./contract-library.js";

/** Asks silos by the contract that every one of them serves: whatever stands where control does as control, others as cells. */
export function createDescribe(transport: Transport, options: { controlName: string; timeoutMs: number }): Describe {
  const control = createClient(ControlPeerService, transport);
  const cell = createClient(CellPeerService, transport);
  return (destination, knownDigests) => {
    // Nothing is resolved: the one whose answer it was is asked. And nothing of it is known, which is why.
    const contextValues = createContextValues().set(kDestination, destination).set(kAsksContract, true);
    const call = { timeoutMs: options.timeoutMs, contextValues };
    return destination.silo === options.controlName
      ? control.describeControl({ knownDigests: [...knownDigests] }, call)
      : cell.describeCell({ cellName: destination.silo, knownDigests: [...knownDigests] }, call);
  };
}
