import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { findFreePorts } from "@cellway/testing";
import { endProcess } from "./processes.js";

export const SMALL_BODY_BYTES = 1_024;
export const LARGE_BODY_BYTES = 1_024 * 1_024;
export const CELL_COUNT = 8;

/** What a cell does wrong: nothing; never answers; a byte each 100 ms; half of the head, then the connection is reset. */
export type Fault = "none" | "hang" | "crawl" | "reset";

/** What the process of the cells is told. */
export interface FaultOrder {
  readonly port: number;
  readonly fault: Fault;
}

/** A cell that requests are sent on to. */
export interface Cell {
  readonly name: string;
  readonly port: number;
}

/** The cells, all served by one process. */
export interface Cells {
  readonly all: readonly Cell[];
  /** From now on the cell answers so. */
  spoil(cell: Cell, fault: Fault): void;
  stop(): Promise<void>;
}

/** Starts what listens at the cells' addresses. */
export async function startCells(): Promise<Cells> {
  const ports = await findFreePorts(CELL_COUNT);
  const program = fileURLToPath(new URL("./cell-servers.js", import.meta.url));
  const child = fork(program, ports.map(String));
  await once(child, "message");
  return {
    all: ports.map((port, index) => ({ name: `us${index}`, port })),
    spoil: ({ port }, fault) => void child.send({ port, fault } satisfies FaultOrder),
    stop: () => endProcess(child),
  };
}
