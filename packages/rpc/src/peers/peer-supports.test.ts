import { createMonolithSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { Code } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { afterEach, expect, test } from "@jest/globals";
import { failure } from "../client/test-support.js";
import { withCallContext } from "../context.js";
import { ContractError } from "../contract.js";
import { reasonOf } from "../errors.js";
import { CONTRACT_HEADER } from "../headers.js";
import { createMemoryNetwork } from "../network/memory-network.js";
import { createRpcRuntime } from "../runtime.js";
import type { RpcLimits } from "../settings.js";
import { createMasterKeyRing } from "../signing/keys.js";
import { need } from "../test-support.js";
import {
  BEFORE,
  createProcess,
  createSilentProcess,
  NEXT,
  nextMethod,
  type Peers,
  startPeers,
} from "./test-support.js";

const US1 = { cell: "us1" };
let peers: Peers | undefined;
afterEach(() => peers?.stop());

async function start(
  processes: UniversalHandlerFn[],
  options: { network?: "memory" | "sockets"; limits?: Partial<RpcLimits> } = {},
): Promise<Peers> {
  peers = await startPeers({ cells: ["us1"], network: "memory", ...options });
  peers.cell("us1").processes = processes;
  return peers;
}

const before = () => createProcess("us1", BEFORE, "0.1.9");
const next = () => createProcess("us1", NEXT, "0.2.0");

test.each(["memory", "sockets"] as const)(
  "over %s it is true for what the peer has and false for what it lacks",
  async (network) => {
    const { runtime } = await start([before()], { network });
    expect(await runtime.peerSupports(nextMethod("Get"), US1)).toBe(true);
    expect(await runtime.peerSupports(nextMethod("Find"), US1)).toBe(false);
  },
);

test("of a field of the request it tells too", async () => {
  const { runtime, cell, client } = await start([before()]);
  expect(await runtime.peerSupports(nextMethod("Get"), US1, { field: "text" })).toBe(true);
  expect(await runtime.peerSupports(nextMethod("Get"), US1, { field: "note" })).toBe(false);
  cell("us1").processes = [next()];
  await client.get(US1);
  // The old contract counts for a minute yet.
  expect(await runtime.peerSupports(nextMethod("Get"), US1, { field: "note" })).toBe(false);
});

test("of a field that the other end has it tells the truth", async () => {
  const { runtime } = await start([next()]);
  expect(await runtime.peerSupports(nextMethod("Get"), US1, { field: "note" })).toBe(true);
});

test("however many ask at a time, the peer is asked once, and then nothing more is sent", async () => {
  const { runtime, cell } = await start([next()]);
  const questions = Array.from({ length: 100 }, () => runtime.peerSupports(nextMethod("Find"), US1));
  expect(new Set(await Promise.all(questions))).toEqual(new Set([true]));
  expect(await runtime.peerSupports(nextMethod("Watch"), US1)).toBe(true);
  expect(cell("us1").asked).toEqual(["DescribeCell"]);
});

test("after an answer of the peer it asks for what the peer serves by itself, and answers from memory", async () => {
  const { runtime, cell, client } = await start([next()]);
  await client.get(US1);
  await runtime.peerSupports(nextMethod("Find"), US1);
  expect(cell("us1").asked).toEqual(["Get", "DescribeCell"]);
});

test("it is false while any process that was lately seen lacks the method", async () => {
  const { runtime, client, cell } = await start([next()], { limits: { peerPauseMs: 1 } });
  expect(await runtime.peerSupports(nextMethod("Find"), US1)).toBe(true);
  cell("us1").processes = [next(), before()];
  await client.get(US1);
  await client.get(US1);
  expect(await runtime.peerSupports(nextMethod("Find"), US1)).toBe(false);
  cell("us1").processes = [before()];
  // One that answered by turns may have been asked in place of the other; then it is asked again, a moment later.
  let isSupported = false;
  for (let round = 0; round < 1_000 && !isSupported; round += 1) {
    await new Promise(setImmediate);
    isSupported = await runtime.peerSupports(nextMethod("Get"), US1);
  }
  expect(isSupported).toBe(true);
});

test("it is false for a peer that cannot be reached, and for a cell that there is not", async () => {
  const { runtime, cell } = await start([]);
  cell("us1").processes = [async () => ({ status: 503 })];
  expect(await runtime.peerSupports(nextMethod("Get"), US1)).toBe(false);
  expect(await runtime.peerSupports(nextMethod("Get"), { cell: "fr1" })).toBe(false);
});

test("it waits no longer for a peer that does not answer than the call being served has left", async () => {
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const { runtime } = await start([() => ended.then(() => ({ status: 501 }))]);
  const startedAt = performance.now();
  const call = {
    localMode: "CONTROL",
    siloName: "control",
    caller: "control",
    viewer: undefined,
    deadlineAtMs: Date.now() + 100,
    signal: undefined,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
  } as const;
  expect(await withCallContext(call, () => runtime.peerSupports(nextMethod("Get"), US1))).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  end();
});

test("it is false for a peer of release 0.1.0, which does not say what it serves", async () => {
  const { runtime, client, cell } = await start([createSilentProcess("us1")]);
  expect(await runtime.peerSupports(nextMethod("Get"), US1)).toBe(false);
  await client.get(US1);
  cell("us1").asked.length = 0;
  expect(await runtime.peerSupports(nextMethod("Get"), US1)).toBe(false);
  expect(cell("us1").asked).toEqual([]);
});

test("it fails as the call would when the request does not say where it goes, and for a field that is none", async () => {
  const { runtime } = await start([next()]);
  const error = await failure(runtime.peerSupports(nextMethod("Get")));
  expect([error.code, reasonOf(error)]).toEqual([Code.InvalidArgument, "INVALID_FIELD"]);
  await expect(runtime.peerSupports(nextMethod("Get"), US1, { field: "text.more" })).rejects.toThrow(ContractError);
});

test("in process it is true, and nothing is asked", async () => {
  const runtime = createRpcRuntime({
    silo: createMonolithSilo(["us1"]),
    network: createMemoryNetwork(),
    keys: createMasterKeyRing([{ id: "k1", secret: new Uint8Array(32).fill(1) }]),
    logger: createLogger({ silo: "monolith", level: "silent" }),
    metrics: createMetrics({ silo: "monolith" }),
    controlAddress: "http://127.0.0.1:9",
  });
  expect(await runtime.peerSupports(nextMethod("Find"), US1, { field: "note" })).toBe(true);
  // What would fail between silos fails on a laptop too.
  const error = await failure(runtime.peerSupports(nextMethod("Find")));
  expect(reasonOf(error)).toBe("INVALID_FIELD");
});

test("a peer that fails to say what it serves is left alone: a thousand answers make one question", async () => {
  const process = next();
  const { client, cell } = await start([
    async (req) => (req.url.includes("PeerService") ? { status: 503 } : process(req)),
  ]);
  for (let call = 0; call < 1_000; call += 1) await client.get(US1);
  const questions = cell("us1").asked.filter((name) => name === "DescribeCell").length;
  // What is unavailable is asked again within the call, as every call that may be repeated is.
  expect(questions).toBeLessThanOrEqual(6);
});

test("a thousand cells with the same contract make one question", async () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `cell-${index}`);
  peers = await startPeers({ cells: names, network: "memory" });
  const { client, runtime, cell } = peers;
  for (const name of names) cell(name).processes = [createProcess(name, NEXT, "0.2.0")];
  await Promise.all(names.map((name) => client.get({ cell: name })));
  for (const name of names) expect(await runtime.peerSupports(nextMethod("Find"), { cell: name })).toBe(true);
  const questions = names.flatMap((name) => cell(name).asked).filter((name) => name === "DescribeCell");
  expect(questions).toHaveLength(1);
});

test("a cell cannot lie about what another cell's digest stands for", async () => {
  peers = await startPeers({ cells: ["us1", "us2"], network: "memory" });
  const { client, runtime, cell } = peers;
  const honest = createProcess("us2", NEXT, "0.2.0");
  const liar = createProcess("us1", BEFORE, "0.2.0");
  let stolen = "";
  cell("us2").processes = [
    async (req) => {
      const response = await honest(req);
      stolen = need(response.header?.get(CONTRACT_HEADER) ?? undefined);
      return response;
    },
  ];
  // The first answer of us2 only tells its digest; us1 then claims it for its own contract before us2 is asked.
  cell("us1").processes = [
    async (req) => {
      const response = await liar(req);
      response.header?.set(CONTRACT_HEADER, stolen);
      return response;
    },
  ];
  await client.get({ cell: "us2" });
  await client.get({ cell: "us1" });
  await runtime.peerSupports(nextMethod("Find"), { cell: "us1" });
  expect(await runtime.peerSupports(nextMethod("Find"), { cell: "us2" })).toBe(true);
  expect((await client.find({ cell: "us2" })).text).toBe("0.2.0 for us2");
});
