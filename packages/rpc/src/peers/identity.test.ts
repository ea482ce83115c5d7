import { createCellSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { afterEach, expect, test } from "@jest/globals";
import { collect } from "../client/test-support.js";
import { CONTRACT_HEADER } from "../headers.js";
import { createMemoryNetwork } from "../network/memory-network.js";
import { createRpcRuntime } from "../runtime.js";
import { createCellKeyRing } from "../signing/keys.js";
import { createProcess, NEXT, type Peers, startPeers } from "./test-support.js";

let peers: Peers | undefined;
afterEach(() => peers?.stop());

async function start(network: "memory" | "sockets"): Promise<Peers> {
  peers = await startPeers({ cells: ["us1"], network });
  peers.cell("us1").processes = [createProcess("us1", NEXT, "0.2.0")];
  return peers;
}

test.each(["memory", "sockets"] as const)(
  "over %s every call says of which release the caller is, and which service calls",
  async (network) => {
    const { runtime, client } = await start(network);
    expect((await client.get({ cell: "us1" })).cell).toBe("runtime;0.2.0");
    const directory = runtime.forService("directory").client(NEXT) as unknown as typeof client;
    expect((await directory.get({ cell: "us1" })).cell).toBe("directory;0.2.0");
    const [first] = await collect(directory.watch({ cell: "us1" }));
    expect(first?.cell).toBe("directory;0.2.0");
  },
);

test("what a caller writes into this header itself is not sent", async () => {
  const { client } = await start("memory");
  const headers = { "x-cellway-caller": "thief;9" };
  expect((await client.get({ cell: "us1" }, { headers })).cell).toBe("runtime;0.2.0");
  const [first] = await collect(client.watch({ cell: "us1" }, { headers }));
  expect(first?.cell).toBe("runtime;0.2.0");
});

test("every answer says the release and the contract, good or bad, whoever asks; health says nothing", async () => {
  const endpoint = createProcess("us1", NEXT, "0.2.0");
  const ask = async (path: string, method = "POST") => {
    const header = new Headers({ "content-type": "application/proto" });
    const body = (async function* () {
      yield new Uint8Array(0);
    })();
    const signal = new AbortController().signal;
    const response = await endpoint({
      httpVersion: "2",
      method,
      url: `http://us1.test:1${path}`,
      header,
      body,
      signal,
    });
    return [response.status, response.header?.get(CONTRACT_HEADER) ?? null];
  };
  const contract = expect.stringMatching(/^0\.2\.0;[0-9a-f]{16}$/);
  expect(await ask("/test.Local/Get")).toEqual([401, contract]);
  expect(await ask("/test.Local/Get", "GET")).toEqual([405, contract]);
  expect(await ask("/test.Local/Gone")).toEqual([404, contract]);
  expect(await ask("/grpc.health.v1.Health/Check")).toEqual([200, null]);
});

test.each(["", "0.2.0;x", "0.2 0", "v".repeat(65), "0.2.0\r\nx: y"])(
  "a release that cannot stand in a header stops the start: %j",
  (version) => {
    const create = () =>
      createRpcRuntime({
        silo: createCellSilo("us1"),
        version,
        network: createMemoryNetwork(),
        keys: createCellKeyRing("us1", []),
        logger: createLogger({ silo: "us1", level: "silent" }),
        metrics: createMetrics({ silo: "us1" }),
        controlAddress: "http://control.test:1",
      });
    expect(create).toThrow(/^version: /);
  },
);
