import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

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
}
