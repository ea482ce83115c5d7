import { CellEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** The id of an organization that must not be created any more: given up, or purged. */
@CellEntity("cancelled_organization")
export class CancelledOrganizationRow {
  @PrimaryColumn({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  @Column({ type: "timestamptz", name: "cancelled_at" })
  cancelledAt!: Date;
}
