import { ControlEntity } from "@cellway/database";
import type { LocalityCategory } from "@cellway/silo";
import { Column, PrimaryColumn } from "typeorm";
import type { RowSource } from "./cell.js";

/** A named collection of cells. */
@ControlEntity("locality")
export class LocalityRow {
  @PrimaryColumn({ type: "text" })
  name: string;

  @Column({ type: "text", name: "display_name" })
  displayName: string;

  @Column({ type: "text" })
  category: LocalityCategory;

  /** Empty to place new organizations over all cells. */
  @Column({ type: "text", name: "new_organization_cell" })
  newOrganizationCell: string;

  @Column({ type: "text", default: "FILE" })
  source: RowSource;
}
