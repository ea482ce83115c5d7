import { CellEntity, CrossSiloReference, IdColumn } from "@cellway/database";
import { Column } from "typeorm";
import type { MemberRoleText } from "./organization.js";

/** How a row says how far an invitation has come. */
export type InviteStatusText = "ACCEPTED" | "PENDING" | "REQUESTED";

/** Somebody in an organization: a user, or an email that was invited. */
@CellEntity("organization_member")
export class OrganizationMemberRow {
  @IdColumn()
  id!: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  /** Null while the invitation is not accepted. A user of control. */
  @Column({ type: "bigint", name: "user_id", nullable: true })
  @CrossSiloReference("control.user", { onDelete: "cascade" })
  userId!: string | null;

  /** In lower case; null when unknown. */
  @Column({ type: "text", nullable: true })
  email!: string | null;

  @Column({ type: "text" })
  role!: MemberRoleText;

  @Column({ type: "text", name: "invite_status" })
  inviteStatus!: InviteStatusText;

  /** SHA-256 of the invite token; null for who was never invited by email. */
  @Column({ type: "bytea", name: "invite_token_hash", nullable: true })
  inviteTokenHash!: Buffer | null;

  /** A user of control. */
  @Column({ type: "bigint", name: "inviter_id", nullable: true })
  @CrossSiloReference("control.user", { onDelete: "set null" })
  inviterId!: string | null;

  /** Grows with every change of what the directory shows of it. */
  @Column({ type: "bigint" })
  version!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
