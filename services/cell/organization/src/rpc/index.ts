import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { acceptInvite } from "./accept-invite.js";
import { addOrganizationMember } from "./add-organization-member.js";
import { batchGetOrganizations } from "./batch-get-organizations.js";
import { cancelOrganizationCreation } from "./cancel-organization-creation.js";
import { changeOrganizationSlug } from "./change-organization-slug.js";
import { confirmOrganizationCreation } from "./confirm-organization-creation.js";
import { createContentRpc } from "./content.js";
import { createOrganization } from "./create-organization.js";
import { deleteOrganization } from "./delete-organization.js";
import { getDefaultOrganization } from "./get-default-organization.js";
import { getOrganization } from "./get-organization.js";
import { getOrganizationBySlug } from "./get-organization-by-slug.js";
import { getOrganizationMember } from "./get-organization-member.js";
import { listOrganizationMembers } from "./list-organization-members.js";
import { removeOrganizationMember } from "./remove-organization-member.js";
import { updateOrganization } from "./update-organization.js";
import { updateOrganizationMember } from "./update-organization-member.js";

/** All methods of the service. */
export function createOrganizationRpc(context: ServiceContext): ServiceImpl<typeof OrganizationService> {
  return {
    getOrganization: getOrganization(context),
    getOrganizationBySlug: getOrganizationBySlug(context),
    batchGetOrganizations: batchGetOrganizations(context),
    createOrganization: createOrganization(context),
    cancelOrganizationCreation: cancelOrganizationCreation(context),
    confirmOrganizationCreation: confirmOrganizationCreation(context),
    updateOrganization: updateOrganization(context),
    changeOrganizationSlug: changeOrganizationSlug(context),
    deleteOrganization: deleteOrganization(context),
    getDefaultOrganization: getDefaultOrganization(context),
    addOrganizationMember: addOrganizationMember(context),
    updateOrganizationMember: updateOrganizationMember(context),
    removeOrganizationMember: removeOrganizationMember(context),
    getOrganizationMember: getOrganizationMember(context),
    listOrganizationMembers: listOrganizationMembers(context),
    acceptInvite: acceptInvite(context),
    ...createContentRpc(context),
  };
}
