import { afterEach, expect, jest, test } from "@jest/globals";
import { describeContract } from "../contract-digest.js";
import { parseContractHeader } from "../headers.js";
import { DEFAULT_LIMITS } from "../settings.js";
import { readContract } from "./contract-index.js";
import { ContractLibrary } from "./contract-library.js";
import { Sightings } from "./sightings.js";
import { contractOf, createProcess, NEXT, startPeers } from "./test-support.js";

const destinationOf = (silo: string) => ({ silo, address: `http://${silo}.test:1` });
const digestOf = (index: number) => index.toString(16).padStart(16, "0");

afterEach(() => {
  jest.restoreAllMocks();
});

test("of a silo that says something else each time, the newest are kept, and no more than the limit", () => {
  const sightings = new Sightings(60_000, 8);
  for (let index = 0; index < 1_000; index += 1) sightings.see({ version: "1", digest: digestOf(index) });
  const kept = sightings.recent().map(({ digest }) => digest);
  expect(kept).toHaveLength(8);
  expect(kept).toContain(digestOf(999));
});

test("a contract that was not seen for the window counts no more", () => {
  const sightings = new Sightings(60_000, 8);
  sightings.see({ version: "1", digest: digestOf(1) });
  const now = performance.now();
  jest.spyOn(performance, "now").mockReturnValue(now + 59_000);
  sightings.see({ version: "2", digest: digestOf(2) });
  expect(sightings.recent()).toHaveLength(2);
  jest.spyOn(performance, "now").mockReturnValue(now + 60_001);
  expect(sightings.recent().map(({ version }) => version)).toEqual(["2"]);
});

test("contracts of a thousand different silos are kept up to the limit, those that were used last", async () => {
  const known: number[] = [];
  const contracts = Array.from({ length: 100 }, (_, index) => describeContract([contractOf([`Method${index}`])]));
  const library = new ContractLibrary(DEFAULT_LIMITS, async ({ silo }, digests) => {
    known.push(digests.length);
    const { digest, bytes } = contracts[Number(silo)] ?? describeContract([]);
    return { digest, contract: bytes };
  });
  for (let index = 0; index < 100; index += 1) {
    await library.ask(destinationOf(String(index)));
    expect(library.find(contracts[0]?.digest ?? "")).toBeDefined();
  }
  expect(Math.max(...known)).toBe(DEFAULT_LIMITS.peerContractsMax);
  expect(library.find(contracts[1]?.digest ?? "")).toBeUndefined();
});

test("a silo that fails to answer is asked seldomer and seldomer, at least once a minute, and again as before once it does", async () => {
  let asked = 0;
  let isAway = true;
  const contract = describeContract([NEXT]);
  const library = new ContractLibrary(DEFAULT_LIMITS, async () => {
    asked += 1;
    if (isAway) throw new Error("away");
    return { digest: contract.digest, contract: contract.bytes };
  });
  const start = performance.now();
  /** How often it is asked in so many minutes when something asks ten times a second. */
  const askedWithin = async (fromMs: number, toMs: number) => {
    const before = asked;
    for (let ms = fromMs; ms < toMs; ms += 100) {
      jest.spyOn(performance, "now").mockReturnValue(start + ms);
      await library.ask(destinationOf("us1"), contract.digest);
    }
    return asked - before;
  };
  const first = await askedWithin(0, 60_000);
  expect(first).toBeGreaterThanOrEqual(5);
  expect(first).toBeLessThanOrEqual(8);
  const later = await askedWithin(300_000, 600_000);
  expect(later).toBeGreaterThanOrEqual(5);
  expect(later).toBeLessThanOrEqual(11);
  isAway = false;
  await askedWithin(660_000, 661_000);
  expect(library.find(contract.digest)).toBeDefined();
});

test("what is no contract, or not the one of the digest, is not believed", () => {
  const { digest, bytes } = describeContract([NEXT]);
  expect(readContract(digest, bytes)?.hasMethod("/test.Local/Find")).toBe(true);
  expect(readContract(digest, bytes.slice(1))).toBeUndefined();
  expect(readContract(digest, new Uint8Array(0))).toBeUndefined();
  // Its own digest, but no message of ours.
  expect(readContract("5ae7e6a42304dc6e", Uint8Array.of(255, 255, 255))).toBeUndefined();
});

test.each(["", ";", "0.2.0", "0.2.0;", "0.2.0;xyz", `${"v".repeat(65)};0123456789abcdef`, "a b;0123456789abcdef"])(
  "a header that says nothing is not read: %j",
  (header) => {
    expect(parseContractHeader(header)).toBeUndefined();
  },
);

test("a silo whose header says nothing is called as if it were not there", async () => {
  const peers = await startPeers({ cells: ["us1"], network: "memory" });
  const process = createProcess("us1", NEXT, "0.2.0");
  peers.cell("us1").processes = [
    async (req) => {
      const response = await process(req);
      response.header?.set("x-cellway-contract", "nonsense");
      return response;
    },
  ];
  for (let call = 0; call < 3; call += 1) {
    expect((await peers.client.find({ cell: "us1" })).text).toBe("0.2.0 for us1");
  }
  expect(peers.cell("us1").asked).toEqual(["Find", "Find", "Find"]);
  await peers.stop();
});
