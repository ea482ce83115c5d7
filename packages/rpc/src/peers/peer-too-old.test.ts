import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { collect, failure } from "../client/test-support.js";
import { errorMetadataOf, isUnsent, reasonOf } from "../errors.js";
import { fanOut } from "../fan-out.js";
import {
  BEFORE,
  contractOf,
  createProcess,
  createSilentProcess,
  NEXT,
  nextMethod,
  type Peers,
  startPeers,
} from "./test-support.js";

const WINDOW_MS = 60_000;
let peers: Peers | undefined;
let offsetMs = 0;
const realNow = performance.now.bind(performance);

afterEach(async () => {
  jest.restoreAllMocks();
  offsetMs = 0;
  await peers?.stop();
});

/** Lets time pass without waiting for it. */
function pass(ms: number): void {
  offsetMs += ms;
  jest.spyOn(performance, "now").mockImplementation(() => realNow() + offsetMs);
}

const before = (cell = "us1") => createProcess(cell, BEFORE, "0.1.9");
const next = (cell = "us1") => createProcess(cell, NEXT, "0.2.0");
const FIND = { method: "local.Find", destination: "us1" };

async function start(network: "memory" | "sockets", ...cells: string[]): Promise<Peers> {
  peers = await startPeers({ cells: ["us1", ...cells], network });
  peers.cell("us1").processes = [before()];
  return peers;
}

/** Waits until control knows what us1 serves. */
async function startKnown(network: "memory" | "sockets"): Promise<Peers> {
  const started = await start(network);
  expect(await started.runtime.peerSupports(nextMethod("Find"), { cell: "us1" })).toBe(false);
  started.cell("us1").asked.length = 0;
  return started;
}

describe.each(["memory", "sockets"] as const)(
  "over %s, a call to a method that the peer is known not to have",
  (network) => {
    test("fails at once with PEER_TOO_OLD, unsent, and says where and what", async () => {
      const { client, cell } = await startKnown(network);
      const error = await failure(client.find({ cell: "us1" }));
      const times: number[] = [];
      for (let call = 0; call < 101; call += 1) {
        const startedAt = performance.now();
        await failure(client.find({ cell: "us1" }));
        times.push(performance.now() - startedAt);
      }
      expect(times.sort((a, b) => a - b)[50]).toBeLessThan(5);
      expect([error.code, reasonOf(error), isUnsent(error)]).toEqual([Code.Unimplemented, "PEER_TOO_OLD", true]);
      const digest = expect.stringMatching(/^[0-9a-f]{16}$/);
      expect(errorMetadataOf(error)).toEqual({ silo: "us1", method: "local.Find", version: "0.1.9", digest });
      expect(cell("us1").asked).toEqual([]);
    });

    test("fails so in a stream too", async () => {
      const { client, cell } = await startKnown(network);
      const error = await failure(collect(client.watch({ cell: "us1" })));
      expect([error.code, reasonOf(error)]).toEqual([Code.Unimplemented, "PEER_TOO_OLD"]);
      expect(cell("us1").asked).toEqual([]);
    });

    test("is counted each time and logged once", async () => {
      const { client, metrics, lines } = await startKnown(network);
      for (let call = 0; call < 20; call += 1) await failure(client.find({ cell: "us1" }));
      expect(await metrics.value("cellway_rpc_client_peer_too_old_total", FIND)).toBe(20);
      expect(lines.filter((line) => line.includes("local.Find"))).toHaveLength(1);
    });
  },
);

describe.each(["memory", "sockets"] as const)("over %s, where it is not known yet", (network) => {
  test("the peer's own answer becomes PEER_TOO_OLD, is not repeated, and is remembered", async () => {
    const { client, cell, metrics } = await start(network);
    for (let call = 0; call < 50; call += 1) {
      const error = await failure(client.find({ cell: "us1" }));
      expect([error.code, reasonOf(error)]).toEqual([Code.Unimplemented, "PEER_TOO_OLD"]);
    }
    expect(cell("us1").asked.filter((name) => name === "Find")).toHaveLength(1);
    expect(await metrics.value("cellway_rpc_client_peer_too_old_total", FIND)).toBe(50);
    expect(await metrics.value("cellway_rpc_client_retries_total", { ...FIND, why: "unavailable" })).toBe(0);
    expect((await client.get({ cell: "us1" })).text).toBe("0.1.9 for us1");
  });

  test("the same holds for a stream", async () => {
    const { client, cell } = await start(network);
    for (let call = 0; call < 5; call += 1) {
      expect(reasonOf(await failure(collect(client.watch({ cell: "us1" }))))).toBe("PEER_TOO_OLD");
    }
    expect(cell("us1").asked.filter((name) => name === "Watch")).toHaveLength(1);
  });

  test("many calls at a time leave the circuit closed and the budget of repetitions as it was", async () => {
    const { client, metrics } = await start(network);
    const calls = Array.from({ length: 200 }, () => failure(client.find({ cell: "us1" })));
    for (const error of await Promise.all(calls)) expect(reasonOf(error)).toBe("PEER_TOO_OLD");
    expect(await metrics.value("cellway_rpc_client_circuit_state", { destination: "us1" })).toBe(0);
    expect(await metrics.value("cellway_rpc_client_retry_budget_exhausted_total", { destination: "us1" })).toBe(0);
    expect((await client.get({ cell: "us1" })).text).toBe("0.1.9 for us1");
  });

  test("a question to many cells names the one that is too old, and has what the others say", async () => {
    const { client, cell } = await start(network, "us2", "de1");
    cell("us2").processes = [next("us2")];
    cell("de1").processes = [next("de1")];
    const ask = async (name: string) => ({ items: [(await client.find({ cell: name })).text] });
    const page = await fanOut(["us1", "us2", "de1"], ask);
    expect(page.items.map(({ item }) => item)).toEqual(["0.2.0 for de1", "0.2.0 for us2"]);
    expect(page.failures.map((failed) => [failed.cell, reasonOf(failed.error)])).toEqual([["us1", "PEER_TOO_OLD"]]);
  });
});

describe("a rolling restart", () => {
  test("that brings the method is seen by the next answer", async () => {
    const { client, cell } = await startKnown("memory");
    expect(reasonOf(await failure(client.find({ cell: "us1" })))).toBe("PEER_TOO_OLD");
    cell("us1").processes = [next()];
    await client.get({ cell: "us1" });
    expect((await client.find({ cell: "us1" })).text).toBe("0.2.0 for us1");
  });

  test("that brings the method is seen without any other call, and long before the window is over", async () => {
    const { client, cell } = await startKnown("memory");
    cell("us1").processes = [next()];
    expect(reasonOf(await failure(client.find({ cell: "us1" })))).toBe("PEER_TOO_OLD");
    pass(6_000);
    const find = () => client.find({ cell: "us1" }).then(({ text }) => text, reasonOf);
    let outcome = await find();
    for (let call = 0; call < 1_000 && outcome === "PEER_TOO_OLD"; call += 1) {
      await new Promise(setImmediate);
      outcome = await find();
    }
    expect(outcome).toBe("0.2.0 for us1");
    expect(cell("us1").asked).toEqual(["DescribeCell", "Find"]);
  });

  test("that brings the method is seen after the window, whatever was missed", async () => {
    const { client, cell } = await startKnown("memory");
    cell("us1").processes = [next()];
    pass(WINDOW_MS + 1);
    expect((await client.find({ cell: "us1" })).text).toBe("0.2.0 for us1");
  });

  test("under way: calls go to both, those that meet the old process fail with PEER_TOO_OLD, and nothing is supported", async () => {
    const { client, cell, runtime } = await startKnown("memory");
    cell("us1").processes = [next(), before()];
    await client.get({ cell: "us1" });
    await client.get({ cell: "us1" });
    const outcomes = new Set<unknown>();
    for (let call = 0; call < 10; call += 1) {
      const outcome = client.find({ cell: "us1" }).then(({ text }) => text, reasonOf);
      outcomes.add(await outcome);
    }
    expect(outcomes).toEqual(new Set(["0.2.0 for us1", "PEER_TOO_OLD"]));
    expect(await runtime.peerSupports(nextMethod("Find"), { cell: "us1" })).toBe(false);
  });

  test("that takes the method away again is seen by the next answer, and calls are not even sent after the window", async () => {
    const { client, cell, runtime } = await start("memory");
    cell("us1").processes = [next()];
    expect(await runtime.peerSupports(nextMethod("Find"), { cell: "us1" })).toBe(true);
    cell("us1").processes = [before()];
    expect(reasonOf(await failure(client.find({ cell: "us1" })))).toBe("PEER_TOO_OLD");
    expect(await runtime.peerSupports(nextMethod("Find"), { cell: "us1" })).toBe(false);
    pass(WINDOW_MS - 1_000);
    await client.get({ cell: "us1" });
    pass(2_000);
    cell("us1").asked.length = 0;
    expect(reasonOf(await failure(client.find({ cell: "us1" })))).toBe("PEER_TOO_OLD");
    expect(cell("us1").asked).toEqual([]);
  });
});

describe("a peer that does not say what it serves", () => {
  test("is of release 0.1.0: its 404 is PEER_TOO_OLD, and remembered once it was seen to answer", async () => {
    const { client, cell } = await start("memory");
    cell("us1").processes = [createSilentProcess("us1")];
    await client.get({ cell: "us1" });
    for (let call = 0; call < 5; call += 1) {
      const error = await failure(client.find({ cell: "us1" }));
      expect([reasonOf(error), errorMetadataOf(error)["version"]]).toEqual(["PEER_TOO_OLD", "0.1.0 or before"]);
    }
    expect(cell("us1").asked).toEqual(["Get", "Find"]);
  });

  test("is tried again after a window: it may have been something on the way that had no such path", async () => {
    const { client, cell } = await start("memory");
    const silent = createSilentProcess("us1", NEXT);
    cell("us1").processes = [silent];
    await client.get({ cell: "us1" });
    cell("us1").processes = [async () => ({ status: 404 })];
    expect(reasonOf(await failure(client.find({ cell: "us1" })))).toBe("PEER_TOO_OLD");
    cell("us1").processes = [silent];
    expect(reasonOf(await failure(client.find({ cell: "us1" })))).toBe("PEER_TOO_OLD");
    pass(WINDOW_MS - 1_000);
    await client.get({ cell: "us1" });
    pass(2_000);
    expect((await client.find({ cell: "us1" })).text).toBe("0.1.0 for us1");
  });

  test("and one that does, by turns: its 404 is PEER_TOO_OLD, and the other's answer an answer", async () => {
    const { client, cell } = await start("memory");
    cell("us1").processes = [createSilentProcess("us1"), next()];
    await client.get({ cell: "us1" });
    const outcomes = new Set<unknown>();
    for (let call = 0; call < 10; call += 1) {
      outcomes.add(await client.find({ cell: "us1" }).then(({ text }) => text, reasonOf));
    }
    expect(outcomes).toEqual(new Set(["0.2.0 for us1", "PEER_TOO_OLD"]));
  });
});

test("what a method itself does not find is NOT_FOUND, and no sign of an old peer", async () => {
  const { client, metrics } = await start("memory");
  for (let call = 0; call < 3; call += 1) {
    const error = await failure(client.get({ cell: "us1", text: "gone" }));
    expect([error.code, reasonOf(error)]).toEqual([Code.NotFound, "NOTHING_HERE"]);
  }
  expect(await metrics.value("cellway_rpc_client_peer_too_old_total", { ...FIND, method: "local.Get" })).toBe(0);
});

test("a 404 from something on the way, while the silo has the method, is not taken for an old peer", async () => {
  const { client, cell, runtime, metrics } = await start("memory");
  cell("us1").processes = [next()];
  await runtime.peerSupports(nextMethod("Find"), { cell: "us1" });
  cell("us1").processes = [async () => ({ status: 404 })];
  const error = await failure(client.find({ cell: "us1" }));
  expect([error.code, reasonOf(error)]).toEqual([Code.Unimplemented, undefined]);
  cell("us1").processes = [next()];
  expect((await client.find({ cell: "us1" })).text).toBe("0.2.0 for us1");
  expect(await metrics.value("cellway_rpc_client_peer_too_old_total", FIND)).toBe(0);
});

test("a method that the peer has is called, whatever other methods it lacks", async () => {
  const { client, cell } = await startKnown("memory");
  cell("us1").processes = [createProcess("us1", contractOf(["Get", "Find"]), "0.1.9")];
  await client.get({ cell: "us1" });
  expect((await client.find({ cell: "us1" })).text).toBe("0.1.9 for us1");
  expect(reasonOf(await failure(collect(client.watch({ cell: "us1" }))))).toBe("PEER_TOO_OLD");
});
