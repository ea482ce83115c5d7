import type { DescService } from "@bufbuild/protobuf";
import { CellPeerService, ControlPeerService } from "@cellway/gen/cellway/contract/v1/peer";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ContractDescription } from "../contract-digest.js";

/** Says what this process serves, for each side that it is. */
export function servePeerServices(options: {
  readonly version: string;
  readonly describe: () => ContractDescription;
  readonly isHere: (service: DescService) => boolean;
  readonly rpc: { serve<S extends DescService>(service: S, implementation: Partial<ServiceImpl<S>>): void };
}): void {
  const answer = ({ knownDigests }: { readonly knownDigests: readonly string[] }) => {
    const { digest, bytes } = options.describe();
    const contract = knownDigests.includes(digest) ? new Uint8Array(0) : bytes;
    return { version: options.version, digest, contract };
  };
  if (options.isHere(ControlPeerService)) options.rpc.serve(ControlPeerService, { describeControl: answer });
  if (options.isHere(CellPeerService)) options.rpc.serve(CellPeerService, { describeCell: answer });
}
