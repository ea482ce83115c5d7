import type { JsonValue } from "@bufbuild/protobuf";
import { CellEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** An option of an organization. */
@CellEntity("organization_option")
export class OrganizationOptionRow {
  @PrimaryColumn({ type: "bigint", name: "organization_id" })
  organizationId!: string;

  @PrimaryColumn({ type: "text" })
  key!: string;

  /** @NOTE Write it with SQL and JSON.stringify: TypeORM takes null for SQL's. */
  @Column({ type: "jsonb" })
  value!: JsonValue;

  @Column({ type: "timestamptz", name: "updated_at" })
  updatedAt!: Date;
}
