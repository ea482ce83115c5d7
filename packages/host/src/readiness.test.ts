import { createMemoryNetwork, type Network } from "@cellway/rpc";
import { createLogger } from "@cellway/telemetry";
import { expect, test } from "@jest/globals";
import { createReadiness } from "./readiness.js";

/** A network on which nobody answers until `answer` is called; then everybody is gone. */
function createSilentNetwork() {
  let answer = () => {};
  const silence = new Promise<never>((_resolve, reject) => {
    answer = () => reject(new Error("nobody there"));
  });
  silence.catch(() => undefined);
  const asked: string[] = [];
  const network: Network = {
    ...createMemoryNetwork(),
    send(req) {
      asked.push(req.url);
      return silence;
    },
  };
  return { network, asked, answer: () => answer() };
}

test("silent peers do not hold the answer back: they are unknown at first, and as last seen later", async () => {
  const { network, asked, answer } = createSilentNetwork();
  const peers = new Map(Array.from({ length: 100 }, (_, index) => [`c${index}`, `http://c${index}.internal:8011`]));
  const readiness = createReadiness({ schemaChecks: [], listPeers: async () => peers, network });
  const startedAtMs = Date.now();
  const first = await readiness.check();
  await readiness.check();
  expect(Date.now() - startedAtMs).toBeLessThan(900);
  expect(first.ready).toBe(true);
  expect(Object.keys(first.peers)).toHaveLength(100);
  expect(new Set(Object.values(first.peers))).toEqual(new Set(["unknown"]));
  expect(asked).toHaveLength(16);
  answer();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(Object.values((await readiness.check()).peers).every((said) => said.includes("nobody there"))).toBe(true);
  expect(asked).toHaveLength(100);
});

test("peers that answer at once are in the first answer", async () => {
  const { network, answer } = createSilentNetwork();
  answer();
  const peers = new Map([["control", "http://control.internal:8001"]]);
  const report = await createReadiness({ schemaChecks: [], listPeers: async () => peers, network }).check();
  expect(report.peers["control"]).toContain("nobody there");
});

test("why the database cannot be reached is for the log, once per cause, and not for the caller", async () => {
  const lines: string[] = [];
  let failure: Error | undefined = new Error("password authentication failed for user us1_app");
  const readiness = createReadiness({
    schemaChecks: [async () => (failure === undefined ? [] : Promise.reject(failure))],
    listPeers: async () => new Map(),
    network: createMemoryNetwork(),
    logger: createLogger({ silo: "us1", stream: { write: (line) => void lines.push(line) } }),
  });
  for (let asked = 0; asked < 3; asked += 1)
    expect(await readiness.check()).toMatchObject({ ready: false, database: "unreachable" });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("us1_app");
  failure = undefined;
  expect(await readiness.check()).toMatchObject({ ready: true, database: "ok" });
  failure = new Error("connection refused");
  await readiness.check();
  expect(lines).toHaveLength(2);
});
