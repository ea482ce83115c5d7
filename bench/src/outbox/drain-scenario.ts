import { median } from "../rpc/measure.js";
import {
  createCellwayDrainer,
  createShapes,
  type Drainer,
  type DrainResult,
  measureCeilings,
  type Shape,
} from "./drain.js";
import { createGraphileDrainer } from "./graphile.js";
import { createBossDrainer } from "./pg-boss.js";
import type { Finding, Row, Scene } from "./scenarios.js";

/** Drains backlogs: ours, then each peer, again and again, so that a noisy minute hits all of them. */
export async function measureDrains({ contenders, scale }: Scene): Promise<Finding[]> {
  const capMs = Math.max(1_500, 8_000 * scale);
  const ours = createCellwayDrainer(contenders.cellway);
  const peers = [
    createGraphileDrainer(contenders.graphile, { isOrdered: true, capMs }),
    createGraphileDrainer(contenders.graphile, { isOrdered: false, capMs }),
    createBossDrainer(contenders.boss, contenders.pgBoss, { capMs }),
  ];
  const rounds = Math.max(1, Math.round(5 * scale));
  // Code that has run before: what is measured is the drain.
  await ours.drain(createShapes(1)[1] as Shape);
  const findings: Finding[] = [];
  for (const shape of createShapes(1)) findings.push(await compareOrFail(shape, [ours, ...peers], rounds));
  if (scale >= 0.5)
    for (const shape of createShapes(10)) findings.push(await compareOrFail(shape, [ours], Math.min(3, rounds)));
  const ceilings = await measureCeilings(contenders.cellway, Math.max(10_000, Math.round(50_000 * scale)));
  findings.push({
    title: "Ceilings of the outbox's table, one connection",
    rows: Object.entries(ceilings).map(([operation, perSecond]) => ({ operation, "rows/s": Math.round(perSecond) })),
    figures: ceilings,
  });
  return findings;
}

/** A shape that fails has an error instead of figures; the others still run. */
async function compareOrFail(shape: Shape, drainers: readonly Drainer[], rounds: number): Promise<Finding> {
  try {
    return await compare(shape, drainers, rounds);
  } catch (error) {
    process.exitCode = 1;
    const message = String(error);
    return { title: `Drain ${shape.name}: NO FIGURE`, rows: [{ error: message }], figures: { error: message } };
  }
}

async function compare(shape: Shape, drainers: readonly Drainer[], rounds: number): Promise<Finding> {
  const taken = new Map<Drainer, DrainResult[]>(drainers.map((drainer) => [drainer, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const drainer of drainers) taken.get(drainer)?.push(await drainer.drain(shape));
  }
  const figures = [...taken].map(([drainer, results]) => ({
    name: drainer.name,
    promises: drainer.promises,
    rowsPerSecond: median(results.map((result) => result.rowsPerSecond)),
    messagesPerSecond: median(results.map((result) => result.messagesPerSecond)),
    cpuMicrosPerRow: median(results.map((result) => result.cpuMicrosPerRow)),
    inversions: median(results.map((result) => result.inversions)),
    left: median(results.map((result) => result.left)),
  }));
  const best = Math.max(...figures.slice(1).map((figure) => figure.rowsPerSecond));
  return {
    title: `Drain ${shape.name}; ratios against the best peer`,
    rows: figures.map(
      (figure): Row => ({
        contender: figure.name,
        "rows/s": Math.round(figure.rowsPerSecond),
        "messages/s": Math.round(figure.messagesPerSecond),
        ratio: Number.isFinite(best) && best > 0 ? (figure.rowsPerSecond / best).toFixed(2) : "",
        "cpu us/row": figure.cpuMicrosPerRow.toFixed(1),
        "out of order": figure.inversions,
        "not in time": figure.left,
        promises: figure.promises,
      }),
    ),
    figures: { shape: shape.name, rounds, figures },
  };
}
