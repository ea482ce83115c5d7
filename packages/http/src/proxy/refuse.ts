import { type Problem, sendProblem } from "../problem.js";
import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { isGrpc, sendGrpcProblem } from "./http2/grpc.js";

/** Answers with a problem, in the way that the client can read. The answer must not have been begun. */
export function refuse(req: ClientRequest, res: ClientAnswer, problem: Problem): void {
  if (isGrpc(req)) sendGrpcProblem(res, problem);
  else sendProblem(res, problem);
}
