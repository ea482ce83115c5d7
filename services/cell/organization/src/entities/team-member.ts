import { CellEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A member of a team. Goes with either of them. */
@CellEntity("team_member")
export class TeamMemberRow {
  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  @PrimaryColumn({ type: "bigint", name: "team_id" })
  teamId!: string;

  @PrimaryColumn({ type: "bigint", name: "member_id" })
  memberId!: string;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
