import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CellSchema,
  CellState,
  LocalityCategory,
  type LocalitySchema,
  type OrganizationMappingSchema,
} from "@cellway/gen/cellway/directory/v1/directory";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import type { CellRow } from "./entities/cell.js";
import type { LocalityRow } from "./entities/locality.js";
import type { StatusName } from "./entities/organization-mapping.js";
import type { MappingRecord } from "./store/organization-mapping.js";

/** A stored mapping as the contract has it. */
export function toMapping(row: MappingRecord): MessageInitShape<typeof OrganizationMappingSchema> {
  return {
    organizationId: row.organization_id,
    slug: row.slug,
    name: row.name,
    status: OrganizationStatus[row.status],
    cellName: row.cell_name,
    locality: row.locality,
    routeEpoch: row.route_epoch,
    createdAt: timestampFromDate(row.created_at),
    updatedAt: timestampFromDate(row.updated_at),
  };
}

/** The stored name of a status. */
export function toStatusName(status: OrganizationStatus): StatusName {
  return status === OrganizationStatus.PENDING_DELETION ? "PENDING_DELETION" : "ACTIVE";
}

/** The stored name of a role: `OWNER`. */
export function toRoleName(role: MemberRole): string {
  return MemberRole[role];
}

/** The role of a stored name; unspecified for a name that this version does not know. */
export function toRole(name: string): MemberRole {
  return MemberRole[name as keyof typeof MemberRole] ?? MemberRole.UNSPECIFIED;
}

/** The stored name of an invitation's state: `ACCEPTED`. */
export function toInviteStatusName(status: InviteStatus): string {
  return InviteStatus[status];
}

/** A stored cell as the contract has it. */
export function toCell(row: CellRow): MessageInitShape<typeof CellSchema> {
  const { name, number, locality, rpcAddress, httpAddress, ingestAddress, weight, capacity, state } = row;
  return {
    name,
    number,
    locality,
    rpcAddress,
    httpAddress: httpAddress ?? "",
    ingestAddress: ingestAddress ?? "",
    weight,
    capacity: capacity ?? 0,
    state: CellState[state],
  };
}

/** A stored locality as the contract has it. */
export function toLocality(row: LocalityRow, cellNames: string[]): MessageInitShape<typeof LocalitySchema> {
  const { name, displayName, category, newOrganizationCell } = row;
  return { name, displayName, category: LocalityCategory[category], cellNames, newOrganizationCell };
}
