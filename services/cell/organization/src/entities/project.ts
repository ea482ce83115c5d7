import { CellEntity, IdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** Something that a team watches. */
@CellEntity("project")
export class ProjectRow {
  @IdColumn()
  id!: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  /** Unique in the organization. */
  @Column({ type: "text" })
  slug!: string;

  @Column({ type: "text" })
  name!: string;

  /** Empty when unknown. */
  @Column({ type: "text" })
  platform!: string;

  /** The team that owns it. */
  @Column({ type: "bigint", name: "team_id" })
  teamId!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
