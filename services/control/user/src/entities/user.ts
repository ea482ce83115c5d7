import { ControlEntity, GeneratedIdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** Somebody who can log in. */
@ControlEntity("user")
export class UserRow {
  @GeneratedIdColumn()
  id!: string;

  /** Unique without regard to case. */
  @Column({ type: "text" })
  username!: string;

  /** Empty: the username is shown. */
  @Column({ type: "text", name: "display_name" })
  displayName!: string;

  @Column({ type: "boolean", name: "is_active" })
  isActive!: boolean;

  @Column({ type: "boolean", name: "is_staff" })
  isStaff!: boolean;

  /** Empty for none. */
  @Column({ type: "text", name: "avatar_url" })
  avatarUrl!: string;

  /** A session with another one is void. */
  @Column({ type: "text", name: "session_nonce" })
  sessionNonce!: string;

  /** Grows with every new nonce. */
  @Column({ type: "bigint", name: "session_version" })
  sessionVersion!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;

  @Column({ type: "timestamptz", name: "updated_at" })
  updatedAt!: Date;
}
