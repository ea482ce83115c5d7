import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";

/** UserService.ListUserOrganizations. */
export function listUserOrganizations(
  context: ServiceContext,
): MethodImpl<typeof UserService.method.listUserOrganizations> {
  const directory = context.rpc.client(DirectoryService);
  return async ({ userId, pageSize, pageToken }) => {
    const page = await directory.listUserOrganizations({ userId, pageSize, pageToken });
    const organizations = page.organizations.flatMap(({ organization, role, asOf }) => {
      if (organization === undefined) return [];
      const { organizationId, slug, name, status, cellName, locality } = organization;
      return [
        { organizationId, slug, name, status, cellName, locality, role, ...(asOf === undefined ? {} : { asOf }) },
      ];
    });
    return { organizations, nextPageToken: page.nextPageToken };
  };
}
