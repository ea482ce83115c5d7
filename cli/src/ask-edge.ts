import { type IncomingMessage, request } from "node:http";
import { request as requestTls } from "node:https";
import { type EdgeExplanation, EXPLAIN_HEADER, EXPLAIN_ONLY_HEADER } from "@cellway/http";
import { CommandError } from "./errors.js";

/** What a router that runs thinks of a request: where it would send it, or with what it would refuse it. */
export type EdgeAnswer =
  | { readonly explanation: EdgeExplanation }
  | { readonly refusal: { readonly status: number; readonly code: string; readonly detail: string } };

const TIMEOUT_MS = 5_000;
const ANSWER_MAX_BYTES = 64 * 1_024;

/** A request that is not made: routers explain it instead. */
interface AskedRequest {
  readonly host: string;
  readonly target: string;
}

/**
 * Asks a router, or control's gateway, what it would do with a request. No cell hears of it.
 *
 * @param address - its origin, whatever the host of the request.
 * @throws CommandError when it does not answer, or does not explain itself to this token.
 */
export async function askEdge(
  address: string,
  { host, target }: AskedRequest,
  operatorToken: string,
): Promise<EdgeAnswer> {
  const url = new URL(address);
  const headers = { host, [EXPLAIN_HEADER]: operatorToken, [EXPLAIN_ONLY_HEADER]: "1" };
  const text = await ask(url, { path: target, headers }).catch((error: unknown) => {
    throw new CommandError(`${address} does not answer: ${error instanceof Error ? error.message : String(error)}`);
  });
  const answer = parse(text);
  if (answer !== undefined) return answer;
  throw new CommandError(
    `${address} does not explain itself: the request is none that it routes, or it has another CELLWAY_EDGE_OPERATOR_TOKEN.`,
  );
}

function ask(url: URL, options: { path: string; headers: Record<string, string> }): Promise<string> {
  const { hostname, port, protocol } = url;
  const send = protocol === "https:" ? requestTls : request;
  return new Promise((resolve, reject) => {
    const req = send(
      {
        hostname: hostname.replace(/^\[|\]$/g, ""),
        port,
        agent: false,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...options,
      },
      (res) => void readText(res).then(resolve, reject),
    );
    req.on("error", reject);
    req.end();
  });
}

async function readText(res: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of res) {
    text += String(chunk);
    if (text.length > ANSWER_MAX_BYTES) throw new Error("the answer is too long");
  }
  return text;
}

function parse(text: string): EdgeAnswer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    return "explanation" in value || "refusal" in value ? (value as EdgeAnswer) : undefined;
  } catch {
    return undefined;
  }
}
