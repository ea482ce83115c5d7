import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname } from "node:path";
import type { BenchOptions } from "../options.js";
import { printTable } from "../table.js";
import {
  type Contender,
  createBareConnect,
  createCellwayLocal,
  createCellwayRemote,
  createGrpcJs,
  createPlainFunction,
  createRouter,
} from "./contenders.js";
import { measure, median, type Sample } from "./measure.js";

const CONCURRENCIES = [1, 32, 128] as const;
/** Windows per contender and concurrency. The contenders take turns, so that a noisy minute hits all of them. */
const ROUNDS = 7;

interface Figure {
  readonly name: string;
  readonly concurrency: number;
  readonly callsPerSecond: number;
  readonly cpuMicrosPerCall: number;
}

/** Our calls beside their peers on the same contract, in one run, taking turns. Prints a table and writes JSON. */
export async function runRpcBench(options: BenchOptions): Promise<void> {
  console.log(`node ${process.version}, ${cpus().length} cpus (${cpus()[0]?.model.trim() ?? "unknown"})`);
  console.log(
    "OrganizationService.GetOrganizationBySlug; caller and server in one process; medians of alternating windows\n",
  );
  const remote = await compare(
    [
      await createBareConnect("connect"),
      await createCellwayRemote(),
      await createBareConnect("grpc"),
      await createGrpcJs(),
    ],
    (concurrency) => Math.round((concurrency === 1 ? 1_500 : 4_000) * options.scale),
  );
  report("Remote", remote, "connect-node, bare (Connect, h2)");
  const local = await compare([await createPlainFunction(), await createCellwayLocal(), await createRouter()], () =>
    Math.round(20_000 * options.scale),
  );
  report("In process", local, "connect-es createRouterTransport");
  await mkdir(dirname(options.out), { recursive: true });
  const figures = { node: process.version, at: new Date().toISOString(), remote, local };
  await writeFile(options.out, `${JSON.stringify(figures, null, 2)}\n`);
  console.log(`\nwritten to ${options.out}`);
}

async function compare(contenders: readonly Contender[], callsFor: (concurrency: number) => number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const contender of contenders) await measure(contender, 32, callsFor(32) * 2);
  for (const concurrency of CONCURRENCIES) {
    const samples = new Map<Contender, Sample[]>(contenders.map((contender) => [contender, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const contender of contenders)
        samples.get(contender)?.push(await measure(contender, concurrency, callsFor(concurrency)));
    }
    for (const [contender, taken] of samples) {
      figures.push({
        name: contender.name,
        concurrency,
        callsPerSecond: median(taken.map((sample) => sample.callsPerSecond)),
        cpuMicrosPerCall: median(taken.map((sample) => sample.cpuMicrosPerCall)),
      });
    }
  }
  for (const contender of contenders) await contender.close();
  return figures;
}

function report(title: string, figures: readonly Figure[], baseline: string): void {
  console.log(`${title} (ratios against: ${baseline})`);
  printTable(
    figures.map((figure) => {
      const base =
        figures.find((other) => other.name === baseline && other.concurrency === figure.concurrency) ?? figure;
      return {
        contender: figure.name,
        c: figure.concurrency,
        "calls/s": Math.round(figure.callsPerSecond),
        "cpu us/call": Number(figure.cpuMicrosPerCall.toFixed(figure.cpuMicrosPerCall < 10 ? 2 : 0)),
        "calls/s ratio": (figure.callsPerSecond / base.callsPerSecond).toFixed(2),
        "calls per cpu-s ratio": (base.cpuMicrosPerCall / figure.cpuMicrosPerCall).toFixed(2),
      };
    }),
  );
  console.log("");
}
