import { type LocalMode, withSiloContext } from "@cellway/silo";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { reasonOf } from "../errors.js";
import { collect, createMonolith, failure } from "./test-support.js";

describe("what a local call refuses, without entering the implementation", () => {
  const entered = jest.fn(() => ({}));
  const createCounting = () => createMonolith({ local: { get: entered, watch: entered }, central: { get: entered } });
  beforeEach(() => {
    entered.mockClear();
  });
  afterEach(() => {
    expect(entered).not.toHaveBeenCalled();
  });

  it("a request that breaks its contract: INVALID_ARGUMENT with the field", async () => {
    const error = await failure(createCounting().local.get({ cell: "much too long" }));
    expect([error.code, reasonOf(error)]).toEqual([Code.InvalidArgument, "INVALID_FIELD"]);
    expect(error.rawMessage).toMatch(/^cell: /);
  });

  it("a method that is switched off, by its name or with its service: UNAVAILABLE / METHOD_DISABLED", async () => {
    const { local, methodSwitch } = createCounting();
    for (const off of ["local.Get", "local.*"]) {
      methodSwitch.replace([off]);
      const error = await failure(local.get({ cell: "us1" }));
      expect([error.code, reasonOf(error)]).toEqual([Code.Unavailable, "METHOD_DISABLED"]);
    }
  });

  it("a cell that is not here: FAILED_PRECONDITION / WRONG_CELL", async () => {
    const error = await failure(createCounting().local.get({ cell: "us9" }));
    expect([error.code, reasonOf(error)]).toEqual([Code.FailedPrecondition, "WRONG_CELL"]);
  });

  it("the same for a stream", async () => {
    const { local, methodSwitch } = createCounting();
    expect(reasonOf(await failure(collect(local.watch({ cell: "us9" }))))).toBe("WRONG_CELL");
    expect(reasonOf(await failure(collect(local.watch({ cell: "much too long" }))))).toBe("INVALID_FIELD");
    methodSwitch.replace(["local.Watch"]);
    expect(reasonOf(await failure(collect(local.watch({ cell: "us1" }))))).toBe("METHOD_DISABLED");
  });

  it("a method that nobody implements: UNIMPLEMENTED, with its name", async () => {
    const error = await failure(createCounting().central.find({}));
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.rawMessage).toContain("central.Find");
  });

  it("a stream of requests: UNIMPLEMENTED", async () => {
    const { local } = createMonolith({ local: { collect: entered } });
    const requests = (async function* () {
      yield { cell: "us1" };
    })();
    expect((await failure(local.collect(requests))).code).toBe(Code.Unimplemented);
  });

  it("a caller that has gone already: CANCELED", async () => {
    expect((await failure(createCounting().local.get({ cell: "us1" }, { signal: AbortSignal.abort() }))).code).toBe(
      Code.Canceled,
    );
  });

  it("a call whose time is over already: DEADLINE_EXCEEDED", async () => {
    const error = await failure(createCounting().local.get({ cell: "us1" }, { timeoutMs: 0 }));
    expect([error.code, reasonOf(error)]).toEqual([Code.DeadlineExceeded, "DEADLINE_EXCEEDED"]);
  });
});

describe("the callers that a contract allows, inside a monolith", () => {
  const answer = jest.fn(() => ({}));
  const { central, local } = createMonolith({ central: { find: answer }, local: { find: answer } });
  const from = <T>(localMode: LocalMode, work: () => T) => withSiloContext({ localMode, siloName: "monolith" }, work);

  it("are kept for calls to the other side, as over the network: CALLER_NOT_ALLOWED", async () => {
    answer.mockClear();
    for (const call of [from("CELL", () => central.find({})), from("CONTROL", () => local.find({ cell: "acme" }))]) {
      const error = await failure(call);
      expect([error.code, reasonOf(error)]).toEqual([Code.PermissionDenied, "CALLER_NOT_ALLOWED"]);
    }
    expect(answer).not.toHaveBeenCalled();
  });

  it("are not asked about on one's own side, nor outside of any", async () => {
    await from("CONTROL", () => central.find({}));
    await from("CELL", () => local.find({ cell: "acme" }));
    await central.find({});
    await local.find({ cell: "acme" });
  });
});
