import type { DescMethod } from "@bufbuild/protobuf";
import type { Metrics, UsageLog, UsedBy } from "@cellway/telemetry";
import type { Interceptor } from "@connectrpc/connect";
import { deprecationsOf, type MethodDeprecations } from "../deprecations.js";
import type { VerifiedCaller } from "../signing/verifier.js";
import { kCaller } from "./endpoint.js";

/** The caller of a request that came with a token. */
const TOOL = "tool";
/** What a caller says of itself goes into tables: it has a bound, and no spaces. */
const NAME = /^[!-~]{1,64}$/;
const UNKNOWN = "unknown";

/**
 * Notes who calls what is deprecated, and who sets deprecated fields: also of calls that are refused afterwards, because
 * their callers have not moved on either. Costs methods of which nothing is deprecated one look into a map.
 *
 * Only calls over the network come here. Code that calls inside its process is compiled together with what it calls.
 */
export function createUsageCounter({ usage, metrics }: { usage: UsageLog; metrics: Metrics }): Interceptor {
  const noteAll = (names: ReadonlySet<string>, kind: "METHOD" | "FIELD", by: UsedBy) => {
    for (const subject of names) {
      usage.note(kind, subject, by);
      metrics.count("cellway_rpc_deprecated_uses_total", { kind: kind.toLowerCase(), subject, caller: by.caller });
    }
  };
  return (next) => (req) => {
    const deprecations = deprecationsOf(req.method);
    if (deprecations === undefined) return next(req);
    const by = readUser(req.header, req.contextValues.get(kCaller));
    if (deprecations.method !== undefined) noteAll(new Set([deprecations.method.subject]), "METHOD", by);
    const noteFields = (message: object) => noteAll(usedFields(deprecations, message), "FIELD", by);
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

function usedFields(deprecations: MethodDeprecations, message: object): ReadonlySet<string> {
  const names = new Set<string>();
  if (deprecations.fields.length > 0) deprecations.collectUsed(message, names);
  return names;
}

function readUser(header: Headers, caller: VerifiedCaller | undefined): UsedBy {
  return {
    caller: caller === undefined || caller.isTool === true ? TOOL : caller.silo,
    service: readName(header.get("x-cellway-caller-service")),
    version: readName(header.get("x-cellway-caller-version")),
  };
}

function readName(value: string | null): string {
  return value !== null && NAME.test(value) ? value : UNKNOWN;
}

async function* passNoted<T extends object>(messages: AsyncIterable<T>, note: (message: T) => void): AsyncIterable<T> {
  for await (const message of messages) {
    note(message);
    yield message;
  }
}
