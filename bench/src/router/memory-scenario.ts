import { runClosedLoop } from "./closed-loop.js";
import { createDataset } from "./dataset.js";
import { createRequests } from "./requests.js";
import { type Scenario, withContenders } from "./scenario.js";

const ORGANIZATIONS = 1_000_000;
const CONCURRENCY = 32;
const WINDOW_MS = 5_000;

/** What each contender's process holds with very many organizations, after a load. */
export const measureMemory: Scenario = async (context) => {
  const count = Math.round(ORGANIZATIONS * Math.min(1, context.scale));
  const dataset = createDataset(count, context.cells.all);
  const requests = createRequests(dataset, "1 KiB");
  const figures: { name: string; startedBytes: number; residentBytes: number }[] = [];
  for (const contender of context.contenders) {
    await withContenders({ ...context, contenders: [contender] }, dataset, async (running) => {
      for (const { name, port, cpuMicros, residentBytes } of running) {
        const startedBytes = residentBytes();
        await runClosedLoop({
          port,
          requests,
          concurrency: CONCURRENCY,
          windowMs: WINDOW_MS * context.scale,
          cpuMicros,
        });
        figures.push({ name, startedBytes, residentBytes: residentBytes() });
      }
    });
  }
  const rows = figures.map(({ name, startedBytes, residentBytes }) => ({
    contender: name,
    "MB at start": Math.round(startedBytes / 1e6),
    "MB after a load": Math.round(residentBytes / 1e6),
  }));
  return [{ title: `Resident memory with ${count} organizations`, rows, figures }];
};
