import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** How a row says whether a cell is given new organizations. */
export type CellStateName = "ACTIVE" | "DRAINING";

/** Who says what a row is: the topology file, or an operator who changed it at run time, and then the file no more. */
export type RowSource = "FILE" | "OPERATOR";

/** A cell, as configuration or an operator added it. */
@ControlEntity("cell")
export class CellRow {
  @PrimaryColumn({ type: "text" })
  name: string;

  /** Part of the ids of organizations created there; never reused. */
  @Column({ type: "integer" })
  number: number;

  @Column({ type: "text" })
  locality: string;

  @Column({ type: "text", name: "rpc_address" })
  rpcAddress: string;

  /** The origin of its public HTTP listener; null while nobody has said it. */
  @Column({ type: "text", name: "http_address", nullable: true })
  httpAddress: string | null;

  /** The origin at which it takes events; null where that is `httpAddress`. */
  @Column({ type: "text", name: "ingest_address", nullable: true })
  ingestAddress: string | null;

  /** Its share of new organizations, relative to the other cells of the locality. */
  @Column({ type: "integer", default: 100 })
  weight: number;

  /** The most organizations that it takes; null for no limit. */
  @Column({ type: "integer", nullable: true })
  capacity: number | null;

  @Column({ type: "text", default: "ACTIVE" })
  state: CellStateName;

  /** Of the number, locality and addresses; the file never says anything about the rest. */
  @Column({ type: "text", default: "FILE" })
  source: RowSource;
}
