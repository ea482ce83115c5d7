/** The cell that a request is sent to, and in an answer the one that gives it; in one of 421 the one that it belongs to. */
export const CELL_HEADER = "x-cellway-cell";

/** The epoch of the route by which a request is sent there; in an answer of 421 the one that the cell knows. */
export const ROUTE_EPOCH_HEADER = "x-cellway-route-epoch";
