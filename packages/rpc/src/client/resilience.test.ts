import { createControlSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "@jest/globals";
import { type CallContext, withCallContext } from "../context.js";
import { isUnsent, reasonOf } from "../errors.js";
import { createMemoryNetwork } from "../network/memory-network.js";
import { createRpcRuntime } from "../runtime.js";
import { CONTROL_KEYS, createUs1, entered, GET, LOCAL } from "../server/test-support.js";
import { failure } from "./test-support.js";

const ADDRESS = "http://us1.test:1";
const CALL: CallContext = {
  localMode: "CONTROL",
  siloName: "control",
  caller: "control",
  viewer: undefined,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  signal: undefined,
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
};

/** Control, calling us1 over a network that can be disturbed. */
async function createPair() {
  const network = createMemoryNetwork();
  await network.listen(ADDRESS, createUs1());
  const runtime = createRpcRuntime({
    silo: createControlSilo(),
    network,
    keys: CONTROL_KEYS,
    logger: createLogger({ silo: "control", level: "silent" }),
    metrics: createMetrics({ silo: "control" }),
    controlAddress: "http://control.test:1",
    resolver: { byCellName: async (cell: string) => ({ silo: cell, address: ADDRESS }) } as never,
    limits: { retryPauseMs: 1, retryBudgetMax: 20 },
  });
  const client = runtime.client(LOCAL) as unknown as {
    get(request: { cell: string }, options?: CallOptions): Promise<{ text: string }>;
  };
  return { network, get: (options?: CallOptions) => client.get({ cell: "us1" }, options) };
}

it("a call is not unsent when an earlier attempt of it may have arrived", async () => {
  const { network, get } = await createPair();
  let attempts = 0;
  network.onRequest = () => {
    attempts += 1;
    network.down.add(ADDRESS);
    if (attempts === 1) throw new ConnectError("lost", Code.Unavailable);
  };
  const error = await failure(get());
  expect(attempts).toBe(3);
  expect([reasonOf(error), isUnsent(error)]).toEqual(["SILO_UNREACHABLE", false]);
});

it("a call is unsent when none of its attempts arrived", async () => {
  const { network, get } = await createPair();
  network.down.add(ADDRESS);
  expect(isUnsent(await failure(get()))).toBe(true);
});

it("calls whose time is over already are not sent, and do not open the circuit", async () => {
  const { network, get } = await createPair();
  let sent = 0;
  network.onRequest = () => void (sent += 1);
  const late = { ...CALL, deadlineAtMs: Date.now() - 1 };
  for (let call = 0; call < 40; call += 1) {
    const error = await failure(withCallContext(late, () => get()));
    expect([reasonOf(error), isUnsent(error)]).toEqual(["DEADLINE_EXCEEDED", true]);
  }
  expect(sent).toBe(0);
  expect((await get()).text).toBe("for us1");
  expect(entered).toHaveBeenCalledTimes(1);
});

it("a viewer in the headers of a call is not handed on: the runtime alone says who it is", async () => {
  const { network, get } = await createPair();
  const seen: (string | null)[] = [];
  network.onRequest = ({ url, header }) => {
    if (url.endsWith(GET)) seen.push(header.get("x-cellway-viewer"));
  };
  const headers = { "x-cellway-viewer": "kind=system" };
  await get({ headers });
  await withCallContext(CALL, () => get({ headers }));
  await withCallContext({ ...CALL, viewer: { kind: "user", userId: "7" } }, () => get({ headers }));
  expect(seen).toEqual([null, null, "kind=user&user_id=7"]);
});
