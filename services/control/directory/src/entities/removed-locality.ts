import { ControlEntity } from "@cellway/database";
import { PrimaryColumn } from "typeorm";

/** A locality that was removed, which the topology file does not bring back. */
@ControlEntity("removed_locality")
export class RemovedLocalityRow {
  @PrimaryColumn({ type: "text" })
  name: string;
}
