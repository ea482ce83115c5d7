import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { CommandError } from "../errors.js";
import { type FleetPlan, PORT_OFFSET_MAX } from "./fleet-plan.js";

/** A port that a process of the plan needs. */
interface NeededPort {
  readonly host: string;
  readonly port: number;
  /** `RPC of us1`. */
  readonly use: string;
}

/** Between two looks at ports that are about to become free. */
const POLL_MS = 100;
const PORT_MAX = 65_535;

/**
 * Checks every port of the plan by binding it, before anything is started.
 *
 * @param options.waitMs - how long to wait for ports that a killed fleet may still hold.
 * @param options.suggest - the plan on another port base, to find one that is free.
 * @throws CommandError that names each taken port, what needs it, and the option that moves it.
 */
export async function assertPortsFree(
  plan: FleetPlan,
  options: { portBase: number; waitMs: number; suggest: (portBase: number) => FleetPlan },
): Promise<void> {
  const deadlineAtMs = Date.now() + options.waitMs;
  let taken = await findTakenPorts(plan);
  while (taken.length > 0 && Date.now() < deadlineAtMs) {
    await pause(POLL_MS);
    taken = await findTakenPorts(plan);
  }
  if (taken.length === 0) return;
  const list = taken.map(({ port, use }) => `${port} (${use})`).join(", ");
  const free = await findFreeBase(options.portBase, options.suggest);
  const what = taken.length === 1 ? `Port ${list} is taken` : `Ports ${list} are taken`;
  throw new CommandError(
    `${what}; stop what uses ${taken.length === 1 ? "it" : "them"}, or move the fleet with --port-base${free === undefined ? " N" : ` ${free}`}.`,
  );
}

/** The ports of the plan that something else listens on. */
export async function findTakenPorts(plan: FleetPlan): Promise<NeededPort[]> {
  const needed = [
    ...plan.silos.flatMap((silo) => [
      toNeededPort(silo.httpAddress, `HTTP of ${silo.name}`),
      toNeededPort(silo.rpcAddress, `RPC of ${silo.name}`),
    ]),
    ...plan.edges.flatMap((edge) => [
      toNeededPort(edge.address, `what ${edge.name} serves`),
      toNeededPort(edge.httpAddress, `health of ${edge.name}`),
    ]),
  ];
  const isFree = await Promise.all(needed.map(({ host, port }) => canBind(host, port)));
  return needed.filter((_, index) => isFree[index] === false);
}

async function findFreeBase(portBase: number, suggest: (portBase: number) => FleetPlan): Promise<number | undefined> {
  for (let base = portBase + 100; base <= portBase + 1_000 && base <= PORT_MAX - PORT_OFFSET_MAX; base += 100) {
    if ((await findTakenPorts(suggest(base))).length === 0) return base;
  }
  return undefined;
}

function toNeededPort(address: string, use: string): NeededPort {
  const url = new URL(address);
  return { host: url.hostname, port: Number(url.port), use };
}

function canBind(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
