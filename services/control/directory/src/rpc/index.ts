import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { addCell } from "./add-cell.js";
import { addLocality } from "./add-locality.js";
import { batchGetOrganizationMappings } from "./batch-get-organization-mappings.js";
import { findCellsForOrganizations } from "./find-cells-for-organizations.js";
import { findCellsForUser } from "./find-cells-for-user.js";
import { getOrganizationMapping } from "./get-organization-mapping.js";
import { listCells } from "./list-cells.js";
import { listLocalities } from "./list-localities.js";
import { listOrganizationMappings } from "./list-organization-mappings.js";
import { listUserOrganizations } from "./list-user-organizations.js";
import { listUserTeams } from "./list-user-teams.js";
import { locateOrganization } from "./locate-organization.js";
import { provisionOrganization } from "./provision-organization.js";
import { removeCell } from "./remove-cell.js";
import { removeLocality } from "./remove-locality.js";
import { renameOrganization } from "./rename-organization.js";
import { syncOrganization } from "./sync-organization.js";
import { updateCell } from "./update-cell.js";
import { updateLocality } from "./update-locality.js";

/** All methods of the service. */
export function createDirectoryRpc(context: ServiceContext): ServiceImpl<typeof DirectoryService> {
  return {
    listCells: listCells(context),
    addCell: addCell(context),
    updateCell: updateCell(context),
    removeCell: removeCell(context),
    listLocalities: listLocalities(context),
    addLocality: addLocality(context),
    updateLocality: updateLocality(context),
    removeLocality: removeLocality(context),
    getOrganizationMapping: getOrganizationMapping(context),
    locateOrganization: locateOrganization(context),
    batchGetOrganizationMappings: batchGetOrganizationMappings(context),
    listOrganizationMappings: listOrganizationMappings(context),
    listUserOrganizations: listUserOrganizations(context),
    listUserTeams: listUserTeams(context),
    findCellsForUser: findCellsForUser(context),
    findCellsForOrganizations: findCellsForOrganizations(context),
    provisionOrganization: provisionOrganization(context),
    renameOrganization: renameOrganization(context),
    syncOrganization: syncOrganization(context),
  };
}
