import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** What a slug is to its organization; see the migration for what each kind means. */
export type SlugKind = "PRIMARY" | "ALIAS" | "RENAME";

/** A slug that is taken, over all localities. */
@ControlEntity("organization_slug_reservation")
export class OrganizationSlugReservation {
  @PrimaryColumn({ type: "text" })
  slug: string;

  /** Goes with the mapping, in its transaction. */
  @Column({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "nothing" })
  organizationId: string;

  @Column({ type: "text", name: "cell_name" })
  cellName: string;

  @Column({ type: "text", default: "PRIMARY" })
  kind: SlugKind;

  /** Set for an alias: when it is given up. */
  @Column({ type: "timestamptz", name: "expires_at", nullable: true })
  expiresAt: Date | null;

  @Column({ type: "timestamptz", name: "created_at", insert: false, update: false })
  createdAt: Date;
}
