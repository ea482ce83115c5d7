import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** The name of an organization's status, as it is stored. */
export type StatusName = "ACTIVE" | "PENDING_DELETION";

/** Where an organization lives, with the fields that lists show. */
@ControlEntity("organization_mapping")
export class OrganizationMappingRow {
  /** Its deletion is the end of the organization. */
  @PrimaryColumn({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "nothing" })
  organizationId: string;

  @Column({ type: "text" })
  slug: string;

  @Column({ type: "text" })
  name: string;

  @Column({ type: "text" })
  status: StatusName;

  @Column({ type: "text", name: "cell_name" })
  cellName: string;

  /** Of the organization in its cell. */
  @Column({ type: "bigint" })
  version: string;

  @Column({ type: "bigint", name: "route_epoch" })
  routeEpoch: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt: Date;

  @Column({ type: "timestamptz", name: "updated_at" })
  updatedAt: Date;
}
