import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A slug that is taken, over all localities. */
@ControlEntity("organization_slug_reservation")
export class OrganizationSlugReservation {
  @PrimaryColumn({ type: "text" })
  slug: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId: string;

  @Column({ type: "text", name: "cell_name" })
  cellName: string;

  @Column({ type: "timestamptz", name: "created_at", insert: false, update: false })
  createdAt: Date;
}
