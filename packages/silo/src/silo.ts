/** How a deployment is cut: one of the two sides, or both at once in a small install. */
export type SiloMode = "CONTROL" | "CELL" | "MONOLITH";

/** The side on which data lives and an implementation runs. A monolith is both sides; nothing lives "in monolith". */
export type LocalMode = Exclude<SiloMode, "MONOLITH">;

/** The name under which the control silo signs, is addressed and is logged. No cell may take it. */
export const CONTROL_SILO_NAME = "control";

/** The name of the one silo of a monolith. No cell may take it. */
export const MONOLITH_SILO_NAME = "monolith";

/** Whether a silo of this name is, or holds, control. Every other name is a cell's, also one that nobody knows. */
export function isControlName(silo: string): boolean {
  return silo === CONTROL_SILO_NAME || silo === MONOLITH_SILO_NAME;
}

/** Begins the name under which a router signs and is logged; no name of a silo has a colon. */
const EDGE_PREFIX = "edge:";

/** Whether the name is of a process at the edge: `edge:us-router`. */
export function isEdgeName(name: string): boolean {
  return name.startsWith(EDGE_PREFIX);
}

/** Which silo a process is. */
export interface Silo {
  /** `control`, `monolith`, or the cell's name. Unique in the fleet. */
  readonly name: string;
  readonly mode: SiloMode;
  /** The cells whose organizations live here: none in control, one in a cell, every configured one in a monolith. */
  readonly cells: readonly string[];
}

/** The control silo. */
export function createControlSilo(): Silo {
  return { name: CONTROL_SILO_NAME, mode: "CONTROL", cells: [] };
}

/**
 * What a process at the edge is to the RPC runtime: it calls control, and serves nothing.
 *
 * @param name - a lower-case DNS label of at most 32 characters: `us-router`.
 */
export function createEdgeIdentity(name: string): Silo {
  return { name: EDGE_PREFIX + name, mode: "CELL", cells: [] };
}

/** The silo of one cell. */
export function createCellSilo(cell: string): Silo {
  return { name: cell, mode: "CELL", cells: [cell] };
}

/** One silo that is control and every one of `cells`. */
export function createMonolithSilo(cells: readonly string[]): Silo {
  return { name: MONOLITH_SILO_NAME, mode: "MONOLITH", cells: [...cells] };
}

/** Whether what belongs to `localMode` runs in this silo. */
export function isLocalTo(silo: Silo, localMode: LocalMode): boolean {
  return silo.mode === "MONOLITH" || silo.mode === localMode;
}
