import { ControlEntity, GeneratedIdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** A session of a user. One that has ended is deleted. */
@ControlEntity("session")
export class SessionRow {
  @GeneratedIdColumn()
  id!: string;

  @Column({ type: "bigint", name: "user_id" })
  userId!: string;

  /** SHA-256 of the secret, which is kept nowhere. */
  @Column({ type: "bytea", name: "token_hash" })
  tokenHash!: Buffer;

  /** When it ends, whatever happens. */
  @Column({ type: "timestamptz", name: "expires_at" })
  expiresAt!: Date;

  /** When it ends unless it is used. */
  @Column({ type: "timestamptz", name: "idle_expires_at" })
  idleExpiresAt!: Date;

  @Column({ type: "int", name: "idle_timeout_seconds" })
  idleTimeoutSeconds!: number;

  /** To the minute. */
  @Column({ type: "timestamptz", name: "last_used_at" })
  lastUsedAt!: Date;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;

  /** Null: not known. */
  @Column({ type: "inet", name: "ip_address", nullable: true })
  ipAddress!: string | null;

  @Column({ type: "text", name: "user_agent" })
  userAgent!: string;
}
