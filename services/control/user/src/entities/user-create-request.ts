import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A request to create a user that was answered; a repetition gets the same answer. */
@ControlEntity("user_create_request")
export class UserCreateRequestRow {
  @PrimaryColumn({ type: "text", name: "request_id" })
  requestId!: string;

  /** SHA-256 of what was asked for. */
  @Column({ type: "bytea" })
  fingerprint!: Buffer;

  @Column({ type: "bigint", name: "user_id" })
  userId!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
