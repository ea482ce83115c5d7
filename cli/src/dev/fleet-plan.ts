import { CONTROL_SILO_NAME, MONOLITH_SILO_NAME, parseTopology, type Topology } from "@cellway/silo";
import type { FleetMode } from "../fleet-file.js";
import type { EdgeKind, SiloKind } from "../silo-kinds.js";

/** A silo that `cellway dev` will run. */
export interface PlannedSilo {
  readonly name: string;
  readonly kind: SiloKind;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  /** Its own database. */
  readonly database: string;
}

/** A router that `cellway dev` will run. */
export interface PlannedEdge {
  readonly name: string;
  readonly kind: EdgeKind;
  /** Where it serves strangers. */
  readonly address: string;
  /** Where its health and metrics are. */
  readonly httpAddress: string;
  /** Where it serves each locality, with `{locality}` for the name of one. */
  readonly localityUrl: string;
  /** The origins that people use: `http://us.localhost:8100`. */
  readonly urls: readonly string[];
}

/** What `cellway dev` will run, before anything is started. */
export interface FleetPlan {
  readonly mode: FleetMode;
  readonly topology: Topology;
  readonly silos: readonly PlannedSilo[];
  /** None in a monolith, which answers for every organization itself. */
  readonly edges: readonly PlannedEdge[];
  /** Where localities are public, with `{locality}` for the name of one. */
  readonly localityUrl: string;
}

const HOST = "127.0.0.1";

/** Control and all localities below it share a session: `cellway.localhost`, `us.cellway.localhost`. */
export const DEV_DOMAIN = "cellway.localhost";

/** The cells of the demo fleet; each is ten ports after the one before. */
const CELLS = [
  { name: "us1", number: 1 },
  { name: "us2", number: 2 },
  { name: "de1", number: 3 },
] as const;

const LOCALITIES = [
  { name: "us", display_name: "United States", cells: ["us1", "us2"], new_organization_cell: "us1" },
  { name: "de", display_name: "Germany", cells: ["de1"], new_organization_cell: "de1" },
] as const;

/** The routers, all of them for all localities. Each serves strangers at a port and its own health at the next one. */
const EDGES = [
  { name: "router", kind: "locality-router", offset: 100 },
  { name: "ingest", kind: "ingest-router", offset: 102 },
] as const;

/** The highest port of a fleet, above its base. */
export const PORT_OFFSET_MAX = 103;

/**
 * Lays out control and three cells: HTTP at `portBase` + 0, 10, 20 and 30, RPC one above each; and from + 100 on the routers.
 */
export function planFleet(mode: FleetMode, portBase: number): FleetPlan {
  const at = (offset: number) => `http://${HOST}:${portBase + offset}`;
  const cells = CELLS.map((cell, index) => ({ ...cell, http: at(10 * (index + 1)), rpc: at(10 * (index + 1) + 1) }));
  const localityUrl = `http://{locality}.localhost:${portBase + 100}`;
  const topology = parseTopology(
    {
      control: { rpc_address: at(1) },
      // A monolith has no routers: what it answers leads to itself.
      ...(mode === "siloed" && { locality_url: localityUrl }),
      cells: cells.map(({ name, number, rpc, http }) => ({ name, number, rpc_address: rpc, http_address: http })),
      localities: LOCALITIES,
    },
    "the fleet of cellway dev",
  );
  if (mode === "monolith") {
    // In a monolith nobody asks for a cell's address: the cells are where control is.
    return {
      mode,
      topology,
      localityUrl,
      edges: [],
      silos: [
        { name: MONOLITH_SILO_NAME, kind: "monolith", rpcAddress: at(1), httpAddress: at(0), database: "monolith" },
      ],
    };
  }
  const control: PlannedSilo = {
    name: CONTROL_SILO_NAME,
    kind: "control",
    rpcAddress: at(1),
    httpAddress: at(0),
    database: "control",
  };
  const rest = cells.map(
    ({ name, rpc, http }): PlannedSilo => ({ name, kind: "cell", rpcAddress: rpc, httpAddress: http, database: name }),
  );
  const edges = EDGES.map(({ name, kind, offset }): PlannedEdge => {
    const own = `http://{locality}.localhost:${portBase + offset}`;
    const urls = LOCALITIES.map((locality) => own.replace("{locality}", locality.name));
    return { name, kind, address: at(offset), httpAddress: at(offset + 1), localityUrl: own, urls };
  });
  return { mode, topology, localityUrl, silos: [control, ...rest], edges };
}
