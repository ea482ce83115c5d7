import { ControlEntity, GeneratedIdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** A token that speaks for a user. A revoked one is deleted. */
@ControlEntity("api_token")
export class ApiTokenRow {
  @GeneratedIdColumn()
  id!: string;

  @Column({ type: "bigint", name: "user_id" })
  userId!: string;

  @Column({ type: "text" })
  name!: string;

  /** SHA-256 of the secret, which is kept nowhere. */
  @Column({ type: "bytea", name: "token_hash" })
  tokenHash!: Buffer;

  /** Of the secret, four. */
  @Column({ type: "text", name: "last_characters" })
  lastCharacters!: string;

  @Column({ type: "text", array: true })
  scopes!: string[];

  /** Null: never. */
  @Column({ type: "timestamptz", name: "expires_at", nullable: true })
  expiresAt!: Date | null;

  /** To the minute; null until it is used. */
  @Column({ type: "timestamptz", name: "last_used_at", nullable: true })
  lastUsedAt!: Date | null;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
