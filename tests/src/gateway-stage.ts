import { controlLocatorOf } from "@cellway/directory";
import { createGatewayModule, type GatewayOptions } from "@cellway/gateway";
import { type Fleet, startFleet } from "@cellway/testing";
import { MODULES } from "./modules.js";
import { RouteWriter } from "./route-writer.js";
import { type Answer, type Asking, announce, ask, type CellListener, startCellListener } from "./router-stage.js";

type GatewayLimits = NonNullable<GatewayOptions["limits"]>;

/** The token by which the gateway of a stage explains itself. */
export const OPERATOR_TOKEN = "the-token-of-an-operator-of-this-fleet";
/** A pinned route of it, to us1; what is below `/api/0/shared/` goes to de1. */
export const PINNED = "/api/0/issues/*/";
/** The host by which its clients know control. */
export const HOST = "example.test";

const createModules = (limits: GatewayLimits) => [
  ...MODULES.filter(({ name }) => name !== "gateway"),
  createGatewayModule({
    locatorOf: controlLocatorOf,
    operatorToken: OPERATOR_TOKEN,
    pinnedRoutes: [
      { pattern: PINNED, cell: "us1" },
      { pattern: "/api/0/shared/**", cell: "de1" },
      { pattern: "/api/0/nobody/**", cell: "us1" },
    ],
    limits: { firstByteTimeoutMs: 300, inFlightMax: 20, circuitProbeMs: 50, circuitProbeMaxMs: 50, ...limits },
  }),
];

/** A path of an organization that cells serve. */
export const pathOf = (organization: string): string => `/api/0/organizations/${organization}/projects/`;

/** A fleet whose control has a gateway, with HTTP servers that stand for what listens at its cells' HTTP addresses. */
export interface GatewayStage {
  readonly fleet: Fleet;
  readonly writer: RouteWriter;
  /** Of `acme` in us1, `globex` in us2, `umlaut` in de1. */
  readonly ids: Record<"acme" | "globex" | "umlaut", string>;
  cell(name: string): CellListener;
  /** Paths that cells were asked for. */
  asked(): string[];
  /** Asks control. */
  ask(target: string, asking?: Asking): Promise<Answer>;
  /** Whether the gateway sends `acme`'s requests to an address that has this in it. */
  isAt(address: string): Promise<boolean>;
  /** New listeners, and no other organizations than those of `ids`. */
  reset(): Promise<void>;
  stopCells(): Promise<void>;
  stop(): Promise<void>;
}

/** @param limits of the gateway, where they differ from those of all stages. */
export async function startGatewayStage(limits: GatewayLimits = {}): Promise<GatewayStage> {
  const fleet = await startFleet({ modules: createModules(limits) });
  const writer = new RouteWriter(fleet.control.databaseUrl);
  const cells = new Map<string, CellListener>();
  const ids = { acme: "", globex: "", umlaut: "" };
  const askGateway = (target: string, asking: Asking = {}) =>
    ask({ address: fleet.control.httpAddress }, target, { host: HOST, ...asking });
  const stopCells = async () => {
    for (const one of cells.values()) await one.stop();
  };
  return {
    fleet,
    writer,
    ids,
    cell(name) {
      const found = cells.get(name);
      if (found === undefined) throw new Error(`There is no listener of ${name}.`);
      return found;
    },
    asked: () => [...cells.values()].flatMap(({ asked }) => asked),
    ask: askGateway,
    async isAt(address) {
      const { headers } = await askGateway(pathOf("acme"), { headers: { "x-cellway-explain": OPERATOR_TOKEN } });
      return String(headers["x-cellway-explain"]).includes(address);
    },
    async reset() {
      await writer.clear();
      for (const name of ["us1", "us2", "de1"]) {
        const listener = await startCellListener(name);
        cells.set(name, listener);
        await announce(fleet, name, listener.address);
      }
      ids.acme = await writer.insert("acme", "us1");
      ids.globex = await writer.insert("globex", "us2");
      ids.umlaut = await writer.insert("umlaut", "de1");
    },
    stopCells,
    async stop() {
      await writer.close();
      await fleet.stop();
    },
  };
}
