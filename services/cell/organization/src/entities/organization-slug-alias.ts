import { CellEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** An old slug by which an organization is still found. */
@CellEntity("organization_slug_alias")
export class OrganizationSlugAliasRow {
  @PrimaryColumn({ type: "text" })
  slug!: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  @Column({ type: "timestamptz", name: "expires_at" })
  expiresAt!: Date;
}
