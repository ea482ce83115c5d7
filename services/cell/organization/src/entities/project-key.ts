import { CellEntity, IdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** What a project's clients send their events with. */
@CellEntity("project_key")
export class ProjectKeyRow {
  @IdColumn()
  id!: string;

  @Column({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  @Column({ type: "bigint", name: "project_id" })
  projectId!: string;

  @Column({ type: "text" })
  label!: string;

  /** 32 hexadecimal digits, unique over all cells. */
  @Column({ type: "text", name: "public_key" })
  publicKey!: string;

  /** SHA-256 of the secret half, which is kept nowhere. */
  @Column({ type: "bytea", name: "secret_key_hash" })
  secretKeyHash!: Buffer;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt!: Date;
}
