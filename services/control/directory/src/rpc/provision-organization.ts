import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { Provisioner } from "../provisioning/provisioner.js";

/** ProvisionOrganization. */
export function provisionOrganization(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.provisionOrganization> {
  const provisioner = new Provisioner(context);
  return (req) => provisioner.provision(req);
}
