import { ControlEntity, CrossSiloReference } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** How far a request has come; see the migration for what each state means. */
export type ProvisionState = "pending" | "mapped" | "done" | "cancelling";

/** A request to create an organization. */
@ControlEntity("provision_request")
export class ProvisionRequest {
  @PrimaryColumn({ type: "text", name: "request_id" })
  requestId: string;

  @Column({ type: "text" })
  fingerprint: string;

  /** Outlives the organization: a repeated request is answered the same. */
  @Column({ type: "bigint", name: "organization_id" })
  @CrossSiloReference("cell.organization", { onDelete: "nothing" })
  organizationId: string;

  @Column({ type: "text" })
  slug: string;

  @Column({ type: "text" })
  locality: string;

  @Column({ type: "text", name: "cell_name" })
  cellName: string;

  @Column({ type: "text" })
  state: ProvisionState;

  /** Grows with each worker that takes the request over. */
  @Column({ type: "integer" })
  attempt: number;

  @Column({ type: "timestamptz", name: "lease_until" })
  leaseUntil: Date;
}
