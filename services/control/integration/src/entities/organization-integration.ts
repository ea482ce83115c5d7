import { ControlEntity, CrossSiloReference, GeneratedIdColumn } from "@cellway/database";
import { Column, JoinColumn, ManyToOne, type Relation } from "typeorm";
import { IntegrationRow, type StatusName, type StoredJson } from "./integration.js";

/** An integration as one organization has installed it. */
@ControlEntity("organization_integration")
export class OrganizationIntegrationRow {
  @GeneratedIdColumn()
  id: string;

  /** In a cell. */
  @Column({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "cascade" })
  organizationId: string;

  @Column({ type: "bigint", name: "integration_id" })
  integrationId: string;

  @ManyToOne(() => IntegrationRow)
  @JoinColumn({ name: "integration_id" })
  integration?: Relation<IntegrationRow>;

  @Column({ type: "jsonb" })
  config: StoredJson;

  @Column({ type: "bigint", name: "default_auth_id", nullable: true })
  defaultAuthId: string | null;

  @Column({ type: "text" })
  status: StatusName;

  @Column({ type: "timestamptz", name: "grace_period_end", nullable: true })
  gracePeriodEnd: Date | null;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt: Date;

  @Column({ type: "timestamptz", name: "updated_at" })
  updatedAt: Date;
}
