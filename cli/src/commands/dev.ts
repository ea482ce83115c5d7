import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseKeys } from "@cellway/rpc";
import type { CommandContext } from "../context.js";
import { type DataFolder, openDataFolder } from "../dev/data-folder.js";
import { type FleetDatabases, openEmbeddedDatabases, openForeignDatabases } from "../dev/databases.js";
import { type RunningFleet, startFleet } from "../dev/fleet.js";
import { type FleetPlan, planFleet } from "../dev/fleet-plan.js";
import { type KeyFiles, openKeyFiles } from "../dev/key-files.js";
import { assertPortsFree } from "../dev/ports.js";
import { type DemoData, NO_DEMO_DATA, seedDemoData } from "../dev/seed.js";
import { type FleetSummary, formatSummary, formatSummaryJson } from "../dev/summary.js";
import type { SupervisorEvent } from "../dev/supervisor.js";
import { writeUserHeader } from "../dev/user-header.js";
import { describeError, EXIT_FAILED, EXIT_OK } from "../errors.js";
import type { FleetMode } from "../fleet-file.js";
import { followLiveSetting } from "../live-setting.js";
import { createOperator } from "../operator.js";
import { shortenPath } from "../paths.js";
import { followStopRequests } from "../stop-request.js";

/** Options of `cellway dev`. */
export interface DevCommandOptions {
  readonly portBase: number;
  readonly data: string;
  readonly mode: FleetMode;
  readonly seed: "demo" | "none";
  readonly fresh?: boolean;
  readonly json?: boolean;
}

/** A fleet that was killed a moment ago needs this long to let go of its ports. */
const KILLED_PORTS_WAIT_MS = 5_000;

/** Runs a whole fleet until it is told to stop. */
export async function runDev(options: DevCommandOptions, ctx: CommandContext): Promise<number> {
  const session = createSession(options, ctx);
  const plan = planFleet(options.mode, options.portBase);
  const folder = openDataFolder(resolve(ctx.process.cwd, options.data), { isFresh: options.fresh === true });
  session.onEnd(async () => folder.release());
  try {
    await assertPortsFree(plan, {
      portBase: options.portBase,
      waitMs: folder.wasKilled ? KILLED_PORTS_WAIT_MS : 0,
      suggest: (portBase) => planFleet(options.mode, portBase),
    });
    return await runFleet(plan, folder, session);
  } catch (error) {
    if (!session.stop.signal.aborted) throw error;
    return EXIT_OK;
  } finally {
    await session.end();
  }
}

/** One run of the command: how it speaks, when it must stop, and what is to be undone then. */
interface Session {
  readonly options: DevCommandOptions;
  readonly ctx: CommandContext;
  /** Aborts when somebody asks to stop; with an Error as the reason when something failed for good. */
  readonly stop: AbortController;
  /** Progress, for people. */
  readonly say: (line: string) => void;
  /** What is undone at the end, last first. */
  onEnd(undo: () => Promise<void>): void;
  /** Called when somebody asks to stop a second time. */
  hurry: () => void;
  end(): Promise<void>;
}

function createSession(options: DevCommandOptions, ctx: CommandContext): Session {
  const stop = new AbortController();
  const undos: (() => Promise<void>)[] = [];
  const session: Session = {
    options,
    ctx,
    stop,
    say: (line) => (options.json === true ? ctx.terminal.err(line) : ctx.terminal.out(line)),
    onEnd: (undo) => void undos.push(undo),
    hurry: () => undefined,
    async end() {
      for (const undo of undos.reverse())
        await undo().catch((error: unknown) => ctx.terminal.err(`error: ${describeError(error)}`));
      if (stop.signal.aborted) session.say("Stopped; the data stays.");
    },
  };
  followStopRequests(ctx, ["SIGINT", "SIGTERM", "SIGHUP"], {
    onFirst() {
      session.say("Stopping.");
      stop.abort();
    },
    onAgain: () => session.hurry(),
  });
  return session;
}

async function runFleet(plan: FleetPlan, folder: DataFolder, session: Session): Promise<number> {
  const { options, ctx, stop } = session;
  const keys = openKeyFiles(
    folder.keysDir,
    plan.silos.filter((silo) => silo.kind === "cell").map((silo) => silo.name),
    plan.edges.map((edge) => edge.name),
  );
  const databases = await startDatabases(plan, folder, session);
  const fleet = await startSilos({ plan, folder, databases, keys }, session);
  const demo = options.seed === "demo" ? await seed({ plan, folder, keys }, session) : NO_DEMO_DATA;
  stop.signal.throwIfAborted();
  fleet.supervise((event) => reportEvent(event, session));
  databases.onLost(() => stop.abort(new Error("PostgreSQL has ended by itself; the fleet cannot go on without it.")));
  followMasterKeys(keys, session);
  const summary: FleetSummary = {
    fleet: fleet.file(),
    demo,
    dataDir: options.data,
    logsDir: dirname(folder.logFile("control")),
  };
  ctx.terminal.out(
    options.json === true ? formatSummaryJson(summary) : `\n${formatSummary(summary, ctx.process.cwd)}\n`,
  );
  await new Promise<void>((settle) => {
    stop.signal.addEventListener("abort", () => settle(), { once: true });
    if (stop.signal.aborted) settle();
  });
  const reason: unknown = stop.signal.reason;
  if (!(reason instanceof Error) || reason.name === "AbortError") return EXIT_OK;
  ctx.terminal.err(`error: ${reason.message}`);
  return EXIT_FAILED;
}

async function startDatabases(plan: FleetPlan, folder: DataFolder, session: Session): Promise<FleetDatabases> {
  const startedAt = performance.now();
  const foreign = session.ctx.env["CELLWAY_DATABASE_URL"] || undefined;
  const where = shortenPath(folder.dir, session.ctx.process.cwd);
  if (foreign !== undefined) session.say("Using the PostgreSQL of CELLWAY_DATABASE_URL");
  else session.say(folder.isNew ? `Creating a PostgreSQL in ${where}` : `Starting the PostgreSQL in ${where}`);
  const databases =
    foreign === undefined ? await openEmbeddedDatabases(folder, plan) : await openForeignDatabases(foreign, plan);
  session.onEnd(() => databases.stop());
  session.stop.signal.throwIfAborted();
  const applied = databases.appliedCount === 0 ? "nothing to migrate" : `${databases.appliedCount} migrations applied`;
  session.say(
    `PostgreSQL runs, ${plan.silos.length} ${plan.silos.length === 1 ? "database" : "databases"}, ${applied} (${seconds(startedAt)})`,
  );
  return databases;
}

async function startSilos(
  parts: { plan: FleetPlan; folder: DataFolder; databases: FleetDatabases; keys: KeyFiles },
  session: Session,
): Promise<RunningFleet> {
  const startedAt = performance.now();
  const fleet = await startFleet(
    { ...parts, env: session.ctx.env },
    { signal: session.stop.signal, onReady: (silo) => session.say(`${silo} serves (${seconds(startedAt)})`) },
  );
  session.onEnd(() => fleet.stop());
  session.hurry = () => fleet.kill();
  return fleet;
}

async function seed(
  { plan, folder, keys }: { plan: FleetPlan; folder: DataFolder; keys: KeyFiles },
  session: Session,
): Promise<DemoData> {
  const masterKeys = parseKeys(readFileSync(keys.masterFile, "utf8"), keys.masterFile);
  const operator = createOperator({ mode: plan.mode, topology: plan.topology, masterKeys, source: "cellway dev" });
  try {
    const demo = await seedDemoData(operator.runtime, (message) => session.ctx.terminal.err(`warning: ${message}`));
    const users = demo.users.map((user) => writeUserHeader(operator.runtime, user, folder.keysDir));
    return { ...demo, users: await Promise.all(users) };
  } finally {
    await operator.close();
  }
}

/** Whoever changes the master keys by hand sees how a fleet takes them over; the cells' files follow. */
function followMasterKeys(keys: KeyFiles, session: Session): void {
  const follower = followLiveSetting(
    { source: keys.masterFile, file: keys.masterFile, text: "" },
    {
      apply: (text) => keys.deriveFrom(text),
      onError: (error) => session.ctx.terminal.err(`error: ${describeError(error)}`),
    },
  );
  session.onEnd(async () => follower.stop());
}

function reportEvent(event: SupervisorEvent, session: Session): void {
  const { say } = session;
  switch (event.kind) {
    case "died":
      say(`${event.silo} died (${event.how}); it is started again in ${event.restartInMs} ms.`);
      break;
    case "restarted":
      return;
    case "serving":
      return say(`${event.silo} serves again (pid ${event.pid}).`);
    case "given up":
      say(`${event.silo} died again (${event.how}) and stays down; the other silos go on.`);
      break;
  }
  for (const line of event.lines) say(`  ${line}`);
}

function seconds(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
