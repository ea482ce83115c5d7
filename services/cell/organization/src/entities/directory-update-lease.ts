import { CellEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** Which process delivers to the directory. One row. */
@CellEntity("directory_update_lease")
export class DirectoryUpdateLeaseRow {
  @PrimaryColumn({ type: "text" })
  name!: "drain";

  /** Null when nobody does. */
  @Column({ type: "uuid", nullable: true })
  holder!: string | null;

  @Column({ type: "timestamptz", name: "expires_at" })
  expiresAt!: Date;
}
