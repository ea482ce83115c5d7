import { CellEntity, IdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** A group of members that looks after projects. */
@CellEntity("team")
export class TeamRow {
  @IdColumn()
  id!: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  /** Unique in the organization. */
  @Column({ type: "text" })
  slug!: string;

  @Column({ type: "text" })
  name!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
