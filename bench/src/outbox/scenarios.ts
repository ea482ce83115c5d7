import type { Contenders } from "./contenders.js";
import type { BenchPostgres } from "./postgres.js";

/** What a scenario works with. */
export interface Scene {
  readonly postgres: BenchPostgres;
  readonly contenders: Contenders;
  /** Share of the full length. */
  readonly scale: number;
}

/** A row of a table. */
export type Row = Readonly<Record<string, string | number>>;

/** What a scenario found: as a table for people, and as figures for machines. */
export interface Finding {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly figures: unknown;
}

/** One thing that is measured. */
export type Scenario = (scene: Scene) => Promise<readonly Finding[]>;
