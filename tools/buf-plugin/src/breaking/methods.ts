import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { durationMs, MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import {
  Caller,
  type MethodOptions,
  method as methodOption,
  type Resolver,
  SiloMode,
  service as serviceOption,
} from "@cellway/gen/cellway/contract/v1/options";
import { DEFAULT_TIMEOUT_MS } from "@cellway/rpc/contract";
import { breaks, type Finding } from "../finding.js";
import { common, hasSameOptions, type Pair } from "./pair.js";

const BESIDE =
  "1. add a method beside it, and move callers to it in the next release; 2. deprecate this one, and remove it when no live release calls it";

/** What is wrong with services and methods of a released contract. */
export function compareMethods({ old, now }: Pair): Finding[] {
  const findings: Finding[] = [];
  for (const [name, was] of old.services) {
    const is = now.services.get(name);
    for (const method of was.methods) {
      if (is?.methods.some((each) => each.name === method.name) !== true)
        findings.push(...removed(method, is, now.files));
    }
  }
  for (const { was, is } of common(old.services, now.services)) {
    findings.push(...compareServices(was, is));
    for (const method of was.methods) {
      const next = is.methods.find((each) => each.name === method.name);
      if (next === undefined) continue;
      findings.push(
        ...compareTypes(method, next),
        ...compareIdempotency(method, next),
        ...comparePolicies(method, next),
      );
    }
  }
  return findings;
}

function removed(was: DescMethod, is: DescService | undefined, files: Pair["now"]["files"]): Finding[] {
  if (was.deprecated) return [];
  return [
    breaks("RPC_NO_DELETE_UNLESS_DEPRECATED", {
      at: is ?? files.get(was.parent.file.proto.name),
      was,
      what: `${was.parent.typeName}.${was.name} is gone, and was not deprecated`,
      direction: "old caller → new server",
      effect: "callers of the release before get UNIMPLEMENTED",
      safely:
        "1. keep it, mark it `option deprecated = true`, and move its callers; 2. remove it when no live release has it undeprecated and `cellway contracts removable` lists it. A rename is a new method beside the old",
    }),
  ];
}

function compareServices(was: DescService, is: DescService): Finding[] {
  if (hasSameOptions(was, is) || !hasOption(was, serviceOption)) return [];
  const before = getOption(was, serviceOption);
  const after = getOption(is, serviceOption);
  const findings: Finding[] = [];
  if (before.key !== after.key) {
    findings.push(
      breaks("RPC_SAME_POLICY", {
        at: is,
        was,
        what: `The key of ${was.typeName} changed from "${before.key}" to "${after.key}"`,
        direction: "old caller → new server",
        effect:
          "what operators switched off, and what dashboards count, has one name on one side and another on the other",
        safely:
          "1. add a service with the new key beside it, and move callers; 2. deprecate the methods of this one, and remove them when no live release calls them",
      }),
    );
  }
  if (before.localMode !== after.localMode) {
    findings.push(
      breaks("RPC_SAME_POLICY", {
        at: is,
        was,
        what: `The local mode of ${was.typeName} changed from ${SiloMode[before.localMode]} to ${SiloMode[after.localMode]}`,
        direction: "old caller → new server",
        effect: "old callers go to the silo where it was, and nobody serves it there",
        safely:
          "1. add a service in the other silo beside it, and move callers and data; 2. deprecate the methods of this one, and remove them when no live release calls them",
      }),
    );
  }
  return findings;
}

function compareTypes(was: DescMethod, is: DescMethod): Finding[] {
  const before = signatureOf(was);
  const after = signatureOf(is);
  if (before === after) return [];
  return [
    breaks("RPC_NO_RETYPE", {
      at: is,
      was,
      what: `${nameOf(was)} changed from ${before} to ${after}`,
      direction: "old caller → new server",
      effect: "each side reads the other's messages as something else, or refuses the stream",
      safely: BESIDE,
    }),
  ];
}

function signatureOf({ input, output, proto }: DescMethod): string {
  const stream = (streams: boolean) => (streams ? "stream " : "");
  return `(${stream(proto.clientStreaming)}${input.typeName}) returns (${stream(proto.serverStreaming)}${output.typeName})`;
}

const REPEATABLE: ReadonlySet<Idempotency> = new Set([Idempotency.IDEMPOTENT, Idempotency.NO_SIDE_EFFECTS]);

function compareIdempotency(was: DescMethod, is: DescMethod): Finding[] {
  if (was.idempotency === is.idempotency) return [];
  const isWeaker = is.idempotency === Idempotency.IDEMPOTENCY_UNKNOWN || !REPEATABLE.has(is.idempotency);
  const isCached = was.idempotency === Idempotency.NO_SIDE_EFFECTS && is.idempotency === Idempotency.IDEMPOTENT;
  return [
    breaks("RPC_SAME_IDEMPOTENCY", {
      at: is,
      was,
      what: `${nameOf(was)} changed from ${Idempotency[was.idempotency]} to ${Idempotency[is.idempotency]}`,
      direction: isWeaker || isCached ? "old caller → new server" : "new caller → old server",
      effect: isCached
        ? "old callers take it for free of side effects: they may call it by GET, and what lies between may repeat and cache it"
        : isWeaker
          ? "old callers repeat it after a failure, and a new server does it twice"
          : "new callers repeat it after a failure, and an old server, which never promised to bear that, does it twice",
      safely: BESIDE,
    }),
  ];
}

function comparePolicies(was: DescMethod, is: DescMethod): Finding[] {
  if (hasSameOptions(was, is)) return [];
  const before = getOption(was, methodOption);
  const after = getOption(is, methodOption);
  const findings: Finding[] = [];
  if (describeResolver(before.resolve) !== describeResolver(after.resolve)) {
    findings.push(
      breaks("RPC_SAME_POLICY", {
        at: is,
        was,
        what: `The resolver of ${nameOf(was)} changed from ${describeResolver(before.resolve)} to ${describeResolver(after.resolve)}`,
        direction: "new caller → old server",
        effect:
          "old and new sides look for the organization in different fields: calls go to a wrong cell, or are refused there",
        safely: BESIDE,
      }),
    );
  }
  return [...findings, ...compareCallers({ was, is, before, after }), ...compareTimeouts({ was, is, before, after })];
}

function describeResolver(resolver: Resolver | undefined): string {
  const by = resolver?.by;
  return by?.case === undefined ? "none" : `${by.case} (${String(by.value)})`;
}

interface Policies {
  readonly was: DescMethod;
  readonly is: DescMethod;
  readonly before: MethodOptions;
  readonly after: MethodOptions;
}

function compareCallers({ was, is, before, after }: Policies): Finding[] {
  const findings = before.allowedCallers
    .filter((caller) => !after.allowedCallers.includes(caller))
    .map((caller) =>
      breaks("RPC_CALLERS_NO_SHRINK", {
        at: is,
        was,
        what: `${nameOf(was)} may no longer be called by ${Caller[caller] ?? caller}`,
        direction: "old caller → new server",
        effect: "callers that were allowed get PERMISSION_DENIED",
        safely:
          "1. move those callers away, to a method beside it; 2. deprecate this one, and remove it when no live release calls it",
      }),
    );
  const owns = after.callerOwnsOrganization;
  // It is asked of cells alone: one that is let in with it had no call to lose.
  const wasForCells = before.allowedCallers.includes(Caller.CELL);
  if (wasForCells && owns !== "" && owns !== before.callerOwnsOrganization) {
    findings.push(
      breaks("RPC_CALLERS_NO_SHRINK", {
        at: is,
        was,
        what: `${nameOf(was)} now asks that the caller owns the organization of ${owns}`,
        direction: "old caller → new server",
        effect: "a cell that asked about another's organization gets PERMISSION_DENIED",
        safely: BESIDE,
      }),
    );
  }
  return findings;
}

function compareTimeouts({ was, is, before, after }: Policies): Finding[] {
  const beforeMs = timeoutMsOf(before);
  const afterMs = timeoutMsOf(after);
  if (afterMs >= beforeMs) return [];
  return [
    breaks("RPC_TIMEOUT_NO_SHRINK", {
      at: is,
      was,
      what: `The timeout of ${nameOf(was)} shrank from ${beforeMs} ms to ${afterMs} ms`,
      direction: "old caller → new server",
      effect: "a call for which the caller still waits is given up by the server",
      safely:
        "1. let callers that want less pass a shorter deadline, or move them to a method beside it that has less time; 2. deprecate this one, and remove it when no live release calls it",
    }),
  ];
}

function timeoutMsOf({ timeout }: MethodOptions): number {
  return timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(timeout);
}

function nameOf(method: DescMethod): string {
  return `${method.parent.name}.${method.name}`;
}
