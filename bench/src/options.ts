/** How a benchmark is run. */
export interface BenchOptions {
  /** Where the figures are written as JSON. */
  readonly out: string;
  /** Share of the full length; smaller is quicker and noisier. Default 1. */
  readonly scale: number;
  /** The parts to run, where a benchmark has several. Default all. */
  readonly only?: readonly string[];
}
