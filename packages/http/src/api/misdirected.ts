import type { FastifyRequest } from "fastify";
import { CELL_HEADER, ROUTE_EPOCH_HEADER } from "../cell-headers.js";
import type { Gate } from "./gate.js";
import { createNotFoundProblem, ProblemError } from "./problem-error.js";

/**
 * Why an organization is not served here. 421 with its cell and the epoch of its route for a router that sent the request by an
 * old route, and only where that is known; to everybody else it is 404, whether it is not there, elsewhere or not theirs.
 *
 * @throws 503 when a router asks, and control, which alone could tell, does not answer.
 */
export async function findAbsence(gate: Gate, request: FastifyRequest, idOrSlug: string): Promise<ProblemError> {
  if (gate.findElsewhere === undefined || request.headers[CELL_HEADER] === undefined) return createNotFoundProblem();
  const epoch = request.headers[ROUTE_EPOCH_HEADER];
  const routeEpoch = typeof epoch === "string" && /^\d{1,15}$/.test(epoch) ? Number(epoch) : 0;
  const elsewhere = await gate.findElsewhere(idOrSlug, routeEpoch);
  if (elsewhere === undefined) return createNotFoundProblem();
  return new ProblemError(421, "ORGANIZATION_ELSEWHERE", "This organization does not live in this cell.", {
    headers: { [CELL_HEADER]: elsewhere.cellName, [ROUTE_EPOCH_HEADER]: String(elsewhere.epoch) },
  });
}
