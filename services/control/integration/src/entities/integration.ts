import { ControlEntity, GeneratedIdColumn } from "@cellway/database";
import { Column } from "typeorm";

/** The name of a status, as it is stored. */
export type StatusName = "ACTIVE" | "DISABLED" | "PENDING_DELETION";

/** A JSON object, as it is stored. */
export type StoredJson = object;

/** A connection to one account of a third party. */
@ControlEntity("integration")
export class IntegrationRow {
  @GeneratedIdColumn()
  id: string;

  @Column({ type: "text" })
  provider: string;

  @Column({ type: "text", name: "external_id" })
  externalId: string;

  @Column({ type: "text" })
  name: string;

  @Column({ type: "jsonb" })
  metadata: StoredJson;

  @Column({ type: "text" })
  status: StatusName;

  @Column({ type: "timestamptz", name: "created_at" })
  createdAt: Date;

  @Column({ type: "timestamptz", name: "updated_at" })
  updatedAt: Date;
}
