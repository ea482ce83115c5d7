import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { Cells } from "./cells.js";
import { type Contender, type RunningContender, startContender } from "./contenders.js";
import type { Dataset } from "./dataset.js";

/** What scenarios run with. */
export interface ScenarioContext {
  readonly contenders: readonly Contender[];
  readonly cells: Cells;
  /** Goes away with the bench. */
  readonly folder: string;
  /** Share of the full length. */
  readonly scale: number;
}

/** A table, and the figures in it as numbers. */
export interface Finding {
  readonly title: string;
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  readonly figures: object;
}

/** One question put to every contender. */
export type Scenario = (context: ScenarioContext) => Promise<readonly Finding[]>;

/** Starts contenders, and ends them when `run` is done. */
export async function withContenders<T>(
  { contenders, folder }: Pick<ScenarioContext, "contenders" | "folder">,
  dataset: Dataset,
  run: (running: readonly RunningContender[]) => Promise<T>,
): Promise<T> {
  const running: RunningContender[] = [];
  try {
    for (const contender of contenders) {
      running.push(await startContender(contender, { dataset, folder: await mkdtemp(join(folder, "contender-")) }));
    }
    return await run(running);
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}
