import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** Where data that is sent with a project's public key belongs. */
@ControlEntity("project_key_mapping")
export class ProjectKeyMappingRow {
  @PrimaryColumn("bigint", { name: "project_key_id" }) projectKeyId: string;
  @Column("bigint", { name: "organization_id" }) organizationId: string;
  /** Null, like the public key, when only the removal was ever heard of. */
  @Column("bigint", { name: "project_id", nullable: true }) projectId: string | null;
  /** 32 hexadecimal digits. */
  @Column("text", { name: "public_key", nullable: true }) publicKey: string | null;
  /** An older state never overwrites a newer one. */
  @Column("bigint") version: string;
  @Column("boolean", { name: "is_removed" }) isRemoved: boolean;
  @Column("timestamptz", { name: "updated_at" }) updatedAt: Date;
}
