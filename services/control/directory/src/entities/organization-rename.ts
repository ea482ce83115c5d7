import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A rename under way. */
@ControlEntity("organization_rename")
export class OrganizationRename {
  /** Goes with the mapping, in its transaction. */
  @PrimaryColumn({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "nothing" })
  organizationId: string;

  /** Greater than that of every earlier rename. */
  @Column({ type: "bigint" })
  number: string;

  /** The new one. */
  @Column({ type: "text" })
  slug: string;

  /** Until when the old slug will be an alias. */
  @Column({ type: "timestamptz", name: "alias_expires_at" })
  aliasExpiresAt: Date;

  /** Set when the new slug was an alias of the organization. */
  @Column({ type: "timestamptz", name: "was_alias_until", nullable: true })
  wasAliasUntil: Date | null;

  /** Grows with each worker that takes the rename over. */
  @Column({ type: "integer" })
  attempt: number;

  @Column({ type: "timestamptz", name: "lease_until" })
  leaseUntil: Date;
}
