import { STATUS_CODES } from "node:http";
import { createEdgeProblem, type Problem } from "@cellway/http";

/** Nothing is served at this host. */
export function createHostUnknown(host: string | undefined): Problem {
  return createEdgeProblem("HOST_UNKNOWN", `Nothing takes events at ${JSON.stringify(host ?? "")}.`);
}

/** Why a request is refused before any cell is looked for. @param detail without a full stop. */
export function createRefusal(status: number, code: string, detail: string): Problem {
  return { status, code, title: STATUS_CODES[status] ?? "Refused", detail: `${detail}.` };
}
