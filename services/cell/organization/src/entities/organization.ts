import { CellEntity, CrossSiloReference, IdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** How a row says whether an organization can be used. */
export type OrganizationStatusText = "ACTIVE" | "PENDING_DELETION";

/** How a row says what a member may do. */
export type MemberRoleText = "BILLING" | "MEMBER" | "ADMIN" | "MANAGER" | "OWNER";

/** An organization. */
@CellEntity("organization")
export class OrganizationRow {
  @IdColumn()
  id!: string;

  @Column({ type: "text" })
  slug!: string;

  /** Of the last change of the slug that was asked for, carried out or refused; 0 before the first. */
  @Column({ type: "bigint", name: "slug_change_number", default: 0 })
  slugChangeNumber!: string;

  @Column({ type: "text" })
  name!: string;

  @Column({ type: "text" })
  status!: OrganizationStatusText;

  @Column({ type: "text", name: "default_role" })
  defaultRole!: MemberRoleText;

  /** Empty for none. */
  @Column({ type: "text", name: "avatar_url" })
  avatarUrl!: string;

  @Column({ type: "boolean", name: "is_early_adopter" })
  isEarlyAdopter!: boolean;

  @Column({ type: "boolean", name: "requires_two_factor" })
  requiresTwoFactor!: boolean;

  @Column({ type: "boolean", name: "allows_join_requests" })
  allowsJoinRequests!: boolean;

  @Column({ type: "boolean", name: "has_open_membership" })
  hasOpenMembership!: boolean;

  @Column({ type: "boolean", name: "allows_shared_issues" })
  allowsSharedIssues!: boolean;

  @Column({ type: "boolean", name: "has_enhanced_privacy" })
  hasEnhancedPrivacy!: boolean;

  /** False until the directory has confirmed that it routes here. */
  @Column({ type: "boolean", name: "is_confirmed" })
  isConfirmed!: boolean;

  /** Who asked for it; never changed. */
  @Column({ type: "bigint", name: "initial_owner_user_id" })
  @CrossSiloReference("control.user", { onDelete: "nothing" })
  initialOwnerUserId!: string;

  /** The membership that they got; never changed, also when that member is gone. */
  @Column({ type: "bigint", name: "initial_owner_member_id" })
  initialOwnerMemberId!: string;

  /** Grows with every change of what the directory shows of it. */
  @Column({ type: "bigint" })
  version!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;

  /** Set while its deletion is pending. */
  @Column({ type: "timestamptz", name: "purge_at", nullable: true })
  purgeAt!: Date | null;
}
