import { CellEntity, CrossSiloReference, GeneratedIdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** An address that a user came from. */
@CellEntity("user_ip")
export class UserIpRow {
  @GeneratedIdColumn()
  id!: string;

  @Column({ type: "bigint", name: "user_id" })
  @CrossSiloReference("control.user", { onDelete: "cascade" })
  userId!: string;

  @Column({ type: "text", name: "ip_address" })
  ipAddress!: string;

  /** Empty when it is not known. */
  @Column({ type: "text", name: "country_code" })
  countryCode!: string;

  @Column({ type: "timestamptz", name: "first_seen_at" })
  firstSeenAt!: Date;

  /** To five minutes. */
  @Column({ type: "timestamptz", name: "last_seen_at" })
  lastSeenAt!: Date;
}
