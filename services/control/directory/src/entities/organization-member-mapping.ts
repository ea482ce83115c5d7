import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A member of an organization in some cell. */
@ControlEntity("organization_member_mapping")
export class OrganizationMemberMappingRow {
  /** Goes with the mapping, by a foreign key. */
  @PrimaryColumn({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "nothing" })
  organizationId: string;

  /** The cell says when it is gone: `isRemoved`. */
  @PrimaryColumn({ type: "bigint", name: "member_id" })
  @CrossSiloReference("cell.organization_member", { onDelete: "nothing" })
  memberId: string;

  /** Null until an invitation is accepted. */
  @Column({ type: "bigint", name: "user_id", nullable: true })
  userId: string | null;

  @Column({ type: "text" })
  role: string;

  @Column({ type: "text", name: "invite_status" })
  inviteStatus: string;

  @Column({ type: "bigint" })
  version: string;

  /** A tombstone: keeps a late older state from bringing the member back. */
  @Column({ type: "boolean", name: "is_removed" })
  isRemoved: boolean;
}
