import { CellEntity, GeneratedIdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** What the directory is to be told about. */
export type DirectoryUpdateKind = "organization" | "member" | "organization_deleted";

/** Says that an object changed and the directory has to be told. Its state is read when it is delivered. */
@CellEntity("pending_directory_update")
export class PendingDirectoryUpdateRow {
  @GeneratedIdColumn()
  id!: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  @Column({ type: "text" })
  kind!: DirectoryUpdateKind;

  /** The organization or the member. */
  @Column({ type: "bigint", name: "object_id" })
  objectId!: string;

  /** The version with which a removed member is told; null for what is still there to be read. */
  @Column({ type: "jsonb", nullable: true })
  payload!: { version: string } | null;

  /** Failed deliveries so far. */
  @Column({ type: "integer" })
  attempts!: number;

  @Column({ type: "text", name: "last_error", nullable: true })
  lastError!: string | null;

  /** Not to be tried before, unless another change of the organization is delivered. */
  @Column({ type: "timestamptz", name: "retry_at" })
  retryAt!: Date;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
