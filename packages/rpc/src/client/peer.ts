import type { Metrics } from "@cellway/telemetry";
import { Code, ConnectError } from "@connectrpc/connect";
import { createRpcError, isUnsent, markUnsent, reasonOf } from "../errors.js";
import { isDisabledError } from "../server/interceptors.js";
import type { RpcLimits } from "../settings.js";
import { CIRCUIT_STATE_VALUES, type CircuitState, createCircuit, type Verdict } from "./circuit.js";
import { createRetryBudget, type RetryBudget } from "./retry-budget.js";

/**
 * What this silo knows of one other silo: calls in flight, its circuit, its retry budget. Nothing here is shared
 * between silos, so that one that is slow or dead never takes anything from the calls to another.
 */
export interface Peer {
  readonly silo: string;
  readonly retryBudget: RetryBudget;
  /**
   * Runs one attempt under the concurrency limit and the circuit breaker. `givenMs` is the time that it has; default:
   * any.
   *
   * @throws RESOURCE_EXHAUSTED / CONCURRENCY_LIMIT or UNAVAILABLE / CIRCUIT_OPEN, at once and marked unsent.
   */
  run<T>(attempt: () => Promise<T>, givenMs?: number): Promise<T>;
}

/** An attempt that had less time than this and did not make it says nothing of the peer. */
const DEADLINE_MIN_MS = 250;

/** Whether an outcome says that the peer is in trouble, rather than that the call was wrong or had no time. */
export function isPeerFailure(error: unknown, givenMs = Number.POSITIVE_INFINITY): boolean {
  return judge(error, givenMs) === "failure";
}

/**
 * What a failed attempt says of the peer. An answer, also a bad one, says that it is there. Neutral is what never left
 * this silo (no key, a body that is too large, a bug) and what its caller abandoned, however long it had waited: how
 * long a caller is willing to wait is its own affair, and only its deadline is a measure of the peer.
 */
function judge(error: unknown, givenMs: number): Verdict {
  if (!(error instanceof ConnectError) || error.code === Code.Canceled) return "neutral";
  if (error.code === Code.DeadlineExceeded) return givenMs < DEADLINE_MIN_MS ? "neutral" : "failure";
  if (error.code === Code.Unavailable) return isDisabledError(error) ? "success" : "failure";
  return isUnsent(error) ? "neutral" : "success";
}

/** Creates the state for calls to `silo`. */
export function createPeer(silo: string, limits: RpcLimits, metrics: Metrics): Peer {
  const report = (state: CircuitState) =>
    metrics.set("cellway_rpc_client_circuit_state", { destination: silo }, CIRCUIT_STATE_VALUES[state]);
  const circuit = createCircuit(limits, report);
  report(circuit.state);
  let inFlight = 0;
  return {
    silo,
    retryBudget: createRetryBudget({ share: limits.retryBudgetShare, savedMax: limits.retryBudgetMax }),
    async run(attempt, givenMs = Number.POSITIVE_INFINITY) {
      if (inFlight >= limits.inFlightMax) {
        throw markUnsent(
          createRpcError(
            Code.ResourceExhausted,
            "CONCURRENCY_LIMIT",
            `There are ${inFlight} calls to ${silo} in flight already.`,
            {
              metadata: { silo },
            },
          ),
        );
      }
      // Half open lets one probe through; whoever comes meanwhile must not wait for it.
      const settle = circuit.enter();
      if (settle === undefined) throw createOpenError(silo);
      inFlight += 1;
      let verdict: Verdict = "success";
      try {
        return await attempt();
      } catch (error) {
        verdict = judge(error, givenMs);
        throw error;
      } finally {
        inFlight -= 1;
        settle(verdict);
      }
    },
  };
}

function createOpenError(silo: string): ConnectError {
  return markUnsent(
    createRpcError(
      Code.Unavailable,
      "CIRCUIT_OPEN",
      `Calls to ${silo} failed too often; it is left alone for a moment.`,
      {
        metadata: { silo },
      },
    ),
  );
}

/** Whether a failed attempt may be repeated, and why; undefined when it may not. */
export function whyRepeatable(error: unknown, repeatable: boolean): "unsent" | "unavailable" | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const refusedHere = error.code === Code.ResourceExhausted;
  if (isUnsent(error)) return refusedHere || isCircuitOpen(error) ? undefined : "unsent";
  return repeatable && error.code === Code.Unavailable && !isDisabledError(error) ? "unavailable" : undefined;
}

function isCircuitOpen(error: ConnectError): boolean {
  return reasonOf(error) === "CIRCUIT_OPEN";
}
