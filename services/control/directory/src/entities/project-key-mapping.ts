import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** Where data that is sent with a project's public key belongs. */
@ControlEntity("project_key_mapping")
export class ProjectKeyMappingRow {
  /** The cell says when it is gone: `isRemoved`. */
  @PrimaryColumn("bigint", { name: "project_key_id" })
  @CrossSiloReference("cell.project_key", { onDelete: "nothing" })
  projectKeyId: string;

  /** What the cell says of the keys of an organization that is gone is not heard any more. */
  @Column("bigint", { name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "cascade" })
  organizationId: string;

  /** Null, like the public key, when only the removal was ever heard of. */
  @Column("bigint", { name: "project_id", nullable: true })
  @CrossSiloReference("cell.project", { onDelete: "nothing" })
  projectId: string | null;

  /** 32 hexadecimal digits. */
  @Column("text", { name: "public_key", nullable: true }) publicKey: string | null;
  /** An older state never overwrites a newer one. */
  @Column("bigint") version: string;
  @Column("boolean", { name: "is_removed" }) isRemoved: boolean;
  @Column("timestamptz", { name: "updated_at" }) updatedAt: Date;
}
