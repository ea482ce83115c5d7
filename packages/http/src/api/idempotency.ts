import type { LocalMode } from "@cellway/silo";
import type { Metrics } from "@cellway/telemetry";
import type { FastifyReply, FastifyRequest } from "fastify";
import { ProblemError } from "./problem-error.js";
import type { Principal, PublicRoute } from "./route.js";

/** When a request that met one with its key under way may come again, in seconds. */
const RETRY_AFTER_S = "1";
/** The same for an actor that has too many keys: they go after a day. */
const FULL_RETRY_AFTER_S = "600";

/** Whether requests with an Idempotency-Key were answered already. */
export interface AnswerMemory {
  /** A side's own. `content` is all that is asked for. */
  begin(localMode: LocalMode, request: { actor: string; key: string; content: string }): Promise<AnswerBeginning>;
}

/**
 * How a request begins. `begun`: carry it out by `run`, then `keep` the answer or `giveUp`. `answered`: it was carried out. `reused`:
 * the key had another content. `running`: it is being carried out. `lost`: it was carried out, and nobody knows the answer.
 * `full`: the actor has too many keys.
 */
export type AnswerBeginning =
  | {
      readonly state: "begun";
      run<T>(work: () => Promise<T>): Promise<T>;
      keep(answer: string): Promise<void>;
      giveUp(): Promise<void>;
    }
  | { readonly state: "answered"; readonly answer: string }
  | { readonly state: "reused" | "running" | "lost" | "full" };

/** What is sent, and kept to be sent again. */
export interface SentAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Where a list goes on. */
  readonly nextCursor?: string;
}

/** What answering once needs. */
interface OnceParts {
  readonly memory: AnswerMemory;
  readonly metrics: Metrics;
}

/** Whether the server itself sees to it that a route's repeated key has no second effect. */
export function remembersAnswers<C>(route: PublicRoute<C>): boolean {
  const { method, access, takesIdempotencyKey, handlesSessions } = route;
  return method === "POST" && access.kind !== "anyone" && takesIdempotencyKey !== true && handlesSessions !== true;
}

/**
 * Carries a request out once for its Idempotency-Key, and gives its answer again, with `Idempotency-Replayed`. As the IETF's draft of
 * the header has it (draft-ietf-httpapi-idempotency-key-header); only successes are kept.
 *
 * @throws 422 for a key of another request, 409 while the request is under way or its answer is lost, 429 for too many keys.
 */
export async function answerOnce(
  { memory, metrics }: OnceParts,
  call: { localMode: LocalMode; principal: Principal; key: string; request: FastifyRequest; reply: FastifyReply },
  work: () => Promise<SentAnswer>,
): Promise<SentAnswer> {
  const { localMode, principal, key, request, reply } = call;
  const content = JSON.stringify([request.method, request.url, request.body ?? null]);
  const beginning = await memory.begin(localMode, { actor: `user:${principal.userId}`, key, content });
  metrics.count("cellway_http_idempotent_requests_total", { outcome: beginning.state });
  if (beginning.state === "answered") {
    reply.header("idempotency-replayed", "true");
    return JSON.parse(beginning.answer) as SentAnswer;
  }
  if (beginning.state !== "begun") throw createKeyProblem(beginning.state);
  let answer: SentAnswer;
  try {
    answer = await beginning.run(work);
  } catch (error) {
    await beginning.giveUp();
    throw error;
  }
  await beginning.keep(JSON.stringify(answer));
  return answer;
}

function createKeyProblem(state: "reused" | "running" | "lost" | "full"): ProblemError {
  switch (state) {
    case "reused":
      return new ProblemError(
        422,
        "IDEMPOTENCY_KEY_REUSED",
        "The Idempotency-Key was sent with another request before.",
      );
    case "running":
      return new ProblemError(409, "IDEMPOTENCY_KEY_IN_USE", "The request with this Idempotency-Key is under way.", {
        headers: { "retry-after": RETRY_AFTER_S },
      });
    case "lost":
      return new ProblemError(
        409,
        "IDEMPOTENCY_ANSWER_LOST",
        "The request with this Idempotency-Key was carried out, but its answer is lost; look what it has done.",
      );
    case "full":
      return new ProblemError(429, "IDEMPOTENCY_KEYS_LIMIT", "Too many requests with an Idempotency-Key in a day.", {
        headers: { "retry-after": FULL_RETRY_AFTER_S },
      });
  }
}
