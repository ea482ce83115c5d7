import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** Something that was done in an organization. */
@ControlEntity("audit_log_entry")
export class AuditLogEntryRow {
  /** Who told it. */
  @PrimaryColumn({ type: "text", name: "cell_name" })
  cellName!: string;

  /** Greater for what was done later in the same organization. */
  @PrimaryColumn({ type: "bigint" })
  id!: string;

  /** What was done in an organization stays known when it is gone. */
  @Column({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "nothing" })
  organizationId!: string;

  /** `AuditEvent`, also numbers that this version does not know. */
  @Column({ type: "integer" })
  event!: number;

  /** Null for what a cell did by itself. */
  @Column({ type: "text", name: "actor_kind", nullable: true })
  actorKind!: string | null;

  @Column({ type: "bigint", name: "actor_user_id", nullable: true })
  actorUserId!: string | null;

  @Column({ type: "text", name: "actor_token_id" })
  actorTokenId!: string;

  /** Empty when it is not known. */
  @Column({ type: "text", name: "actor_ip_address" })
  actorIpAddress!: string;

  @Column({ type: "bigint", name: "target_id" })
  targetId!: string;

  @Column({ type: "jsonb" })
  details!: Record<string, string>;

  /** By the cell's clock. */
  @Column({ type: "timestamptz", name: "occurred_at" })
  occurredAt!: Date;
}
