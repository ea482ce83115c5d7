import { ControlEntity } from "@cellway/database";
import { Column, PrimaryColumn } from "typeorm";

/** A cell that was removed: its number is never used again, and the topology file does not bring it back. */
@ControlEntity("removed_cell")
export class RemovedCellRow {
  @PrimaryColumn({ type: "integer" })
  number: number;

  @Column({ type: "text" })
  name: string;
}
