import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** An email address of a user. */
@ControlEntity("user_email")
export class UserEmailRow {
  @PrimaryColumn({ type: "bigint", name: "user_id" })
  userId!: string;

  /** In lower case. */
  @PrimaryColumn({ type: "text" })
  email!: string;

  @Column({ type: "boolean", name: "is_verified" })
  isVerified!: boolean;

  /** True for exactly one address of each user. */
  @Column({ type: "boolean", name: "is_primary" })
  isPrimary!: boolean;

  /** SHA-256 of the newest verification token. */
  @Column({ type: "bytea", name: "verification_token_hash", nullable: true })
  verificationTokenHash!: Buffer | null;

  @Column({ type: "timestamptz", name: "verification_expires_at", nullable: true })
  verificationExpiresAt!: Date | null;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
