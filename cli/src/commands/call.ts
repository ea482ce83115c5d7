import { randomBytes } from "node:crypto";
import { type DescMethodUnary, type Message, toJson } from "@bufbuild/protobuf";
import { type CallContext, type CallExplanation, type RpcRuntime, SILO_HEADER, withCallContext } from "@cellway/rpc";
import { MONOLITH_SILO_NAME } from "@cellway/silo";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import type { CommandContext } from "../context.js";
import { assertUnary, CONTRACTS, findMethod, REGISTRY } from "../contracts.js";
import { parseDurationMs } from "../duration.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { type FleetTarget, findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { parseRequest, readDataOption } from "../request-json.js";

/** Options of `cellway call`. */
export interface CallCommandOptions {
  readonly data: string;
  readonly dataDir?: string;
  readonly timeout?: string;
  readonly asUser?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

const TIMEOUT_MAX_MS = 300_000;

/** Makes one call and prints its response as JSON. */
export async function runCall(name: string, options: CallCommandOptions, ctx: CommandContext): Promise<number> {
  const method = findMethod(name, CONTRACTS);
  assertUnary(method);
  const timeoutMs =
    options.timeout === undefined ? undefined : parseDurationMs(options.timeout, "--timeout", TIMEOUT_MAX_MS);
  const asUser = options.asUser === undefined ? undefined : parseUserId(options.asUser);
  const request = parseRequest(method.input, await readDataOption(options.data, ctx), REGISTRY);
  const target = findFleet(options.dataDir, ctx);
  return withOperator(target, options, ctx, async ({ runtime }) => {
    const answer = await callUnary(runtime, method, request, { timeoutMs, asUser });
    if (options.verbose === true) {
      const route = await runtime.explain(method, request).catch(() => undefined);
      for (const line of describeRoute(answer, route, target)) ctx.terminal.err(line);
    }
    if ("error" in answer) throw answer.error;
    ctx.terminal.out(
      JSON.stringify(
        toJson(method.output, answer.message, { registry: REGISTRY }),
        null,
        options.json === true ? 0 : 2,
      ),
    );
    return EXIT_OK;
  });
}

type Answer = ({ readonly message: Message } | { readonly error: ConnectError }) & {
  /** The silo that answered; null when the call never got to one. */
  readonly silo: string | null;
  readonly tookMs: number;
};

async function callUnary(
  runtime: RpcRuntime,
  method: DescMethodUnary,
  request: Message,
  options: { timeoutMs: number | undefined; asUser: string | undefined },
): Promise<Answer> {
  const client = runtime.client(method.parent) as unknown as Record<
    string,
    (request: Message, options: CallOptions) => Promise<Message>
  >;
  let silo: string | null = null;
  const callOptions: CallOptions = {
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    onHeader: (header) => {
      silo = header.get(SILO_HEADER);
    },
  };
  const send = () =>
    client[method.localName]?.(request, callOptions) ??
    Promise.reject(new Error(`There is no client method ${method.localName}.`));
  const startedAt = performance.now();
  try {
    const message = await (options.asUser === undefined
      ? send()
      : withCallContext(createUserContext(runtime, options.asUser), send));
    return { message, silo, tookMs: performance.now() - startedAt };
  } catch (error) {
    const failure = ConnectError.from(error);
    return { error: failure, silo: failure.metadata.get(SILO_HEADER), tookMs: performance.now() - startedAt };
  }
}

/** A call as if made inside one that the user made: its viewer is signed and handed on. */
function createUserContext(runtime: RpcRuntime, userId: string): CallContext {
  return {
    localMode: "CONTROL",
    siloName: runtime.silo.name,
    caller: runtime.silo.name,
    viewer: { kind: "user", userId },
    deadlineAtMs: Date.now() + TIMEOUT_MAX_MS,
    signal: undefined,
    traceparent: `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-00`,
  };
}

function parseUserId(text: string): string {
  if (!/^[1-9]\d{0,18}$/.test(text))
    throw new UsageError(`--as-user ${text}: must be a user's id, a positive whole number.`);
  return text;
}

function describeRoute(answer: Answer, route: CallExplanation | undefined, target: FleetTarget): string[] {
  const nowhere = "error" in answer ? "no silo answered" : "answered without being sent";
  const lines = [`${answer.silo === null ? nowhere : `ran in ${answer.silo}`}, ${answer.tookMs.toFixed(1)} ms`];
  if (route !== undefined) {
    const silo = target.mode === "monolith" ? MONOLITH_SILO_NAME : route.runsIn;
    const path = route.runsIn === null ? "" : `${silo} at ${route.address ?? "this process"}: `;
    lines.push(`route: ${path}${route.why}`);
  }
  return [...lines, `fleet: ${target.mode}, ${target.source}`];
}
