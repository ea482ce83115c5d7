import type { DescMethod } from "@bufbuild/protobuf";
import type { BoundCounter, Metrics, UsageLog, UsedBy } from "@cellway/telemetry";
import type { Interceptor } from "@connectrpc/connect";
import { deprecationsOf } from "../deprecations.js";
import { CALLER_HEADER, parseCallerHeader, UNKNOWN_VERSION } from "../headers.js";
import type { VerifiedCaller } from "../signing/verifier.js";
import { kCaller } from "./endpoint.js";

/** The caller of a request that came with a token. */
const TOOL = "tool";
/** A caller that does not say who it is, or not within the bounds of what goes into tables. */
const NOBODY = { service: "unknown", version: UNKNOWN_VERSION };

/**
 * Notes who calls what is deprecated, and who sets deprecated fields: also of calls that are refused afterwards, because
 * their callers have not moved on either. Costs methods of which nothing is deprecated one look into a map.
 *
 * Only calls over the network come here. Code that calls inside its process is compiled together with what it calls.
 */
export function createUsageCounter({ usage, metrics }: { usage: UsageLog; metrics: Metrics }): Interceptor {
  // By subject and caller: both are names that the fleet gives out.
  const counters = new Map<string, BoundCounter>();
  const note = (kind: "METHOD" | "FIELD", subject: string, by: UsedBy) => {
    usage.note(kind, subject, by);
    const key = `${kind} ${subject} ${by.caller}`;
    let counter = counters.get(key);
    if (counter === undefined) {
      const labels = { kind: kind.toLowerCase(), subject, caller: by.caller };
      counter = metrics.counter("cellway_rpc_deprecated_uses_total", labels);
      counters.set(key, counter);
    }
    counter.add();
  };
  return (next) => (req) => {
    const deprecations = deprecationsOf(req.method);
    if (deprecations === undefined) return next(req);
    const by = readUser(req.header, req.contextValues.get(kCaller));
    if (deprecations.method !== undefined) note("METHOD", deprecations.method.subject, by);
    if (deprecations.fields.length === 0) return next(req);
    const noteFields = (message: object) => {
      const names = new Set<string>();
      deprecations.collectUsed(message, names);
      for (const name of names) note("FIELD", name, by);
    };
    if (req.stream) return next({ ...req, message: passNoted(req.message, noteFields) });
    noteFields(req.message);
    return next(req);
  };
}

/** Says which uses are counted from now on. */
export function declareUsages(methods: readonly DescMethod[], usage: UsageLog): void {
  for (const method of methods) {
    const { method: own, fields = [] } = deprecationsOf(method) ?? {};
    for (const { kind, subject } of own === undefined ? fields : [own, ...fields]) usage.declare(kind, subject);
  }
}

function readUser(header: Headers, caller: VerifiedCaller | undefined): UsedBy {
  return {
    caller: caller === undefined || caller.isTool === true ? TOOL : caller.silo,
    ...(parseCallerHeader(header.get(CALLER_HEADER) ?? "") ?? NOBODY),
  };
}

async function* passNoted<T extends object>(messages: AsyncIterable<T>, note: (message: T) => void): AsyncIterable<T> {
  for await (const message of messages) {
    note(message);
    yield message;
  }
}
