import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** An address that a user came from, as one cell knows it. */
@ControlEntity("user_ip")
export class UserIpRow {
  @PrimaryColumn({ type: "text", name: "cell_name" })
  cellName!: string;

  /** Of the cell. */
  @PrimaryColumn({ type: "bigint", name: "record_id" })
  recordId!: string;

  @Column({ type: "bigint", name: "user_id" })
  userId!: string;

  /** Null, like the times, once the cell has removed it. */
  @Column({ type: "text", name: "ip_address", nullable: true })
  ipAddress!: string | null;

  /** Empty when it is not known. */
  @Column({ type: "text", name: "country_code" })
  countryCode!: string;

  @Column({ type: "timestamptz", name: "first_seen_at", nullable: true })
  firstSeenAt!: Date | null;

  @Column({ type: "timestamptz", name: "last_seen_at", nullable: true })
  lastSeenAt!: Date | null;

  /** An older state never overwrites a newer one. */
  @Column({ type: "bigint" })
  version!: string;

  /** Greater for what was reported later. */
  @Column({ type: "bigint", name: "report_number" })
  reportNumber!: string;
}
