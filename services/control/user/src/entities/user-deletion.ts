import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A user that is being deleted. */
@ControlEntity("user_deletion")
export class UserDeletionRow {
  @PrimaryColumn({ type: "bigint", name: "user_id" })
  userId!: string;

  /** Also where the user is the last owner. Never taken back. */
  @Column({ type: "boolean", name: "is_forced" })
  isForced!: boolean;

  /** What to go back to when the deletion is given up. */
  @Column({ type: "boolean", name: "was_active" })
  wasActive!: boolean;

  /** Grows with every attempt: only the newest may give the deletion up. */
  @Column({ type: "bigint" })
  attempt!: string;

  @Column({ type: "timestamptz", name: "requested_at" })
  requestedAt!: Date;

  @Column({ type: "timestamptz", name: "attempted_at" })
  attemptedAt!: Date;
}
