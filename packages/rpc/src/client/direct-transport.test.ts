import { create } from "@bufbuild/protobuf";
import { currentSiloContext, withSiloContext } from "@cellway/silo";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { type CallContext, currentCall, withCallContext } from "../context.js";
import { createMonolith, failure, ITEM, type Item } from "./test-support.js";

describe("caller and implementation share no object", () => {
  it("so that a request changed by the implementation is not changed for the caller", async () => {
    const { local } = createMonolith({
      local: {
        get(request) {
          request.names.push("changed");
          request.cell = "changed";
          return {};
        },
      },
    });
    const request = create(ITEM, { cell: "us1", names: ["a"] }) as unknown as Item;
    await local.get(request);
    expect(request).toMatchObject({ cell: "us1", names: ["a"] });
  });

  it("so that a request changed by the caller after the call began is not changed for the implementation", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const { local } = createMonolith({
      local: {
        async get(request) {
          await gate;
          return { names: request.names };
        },
      },
    });
    const names = ["a"];
    const answer = local.get({ cell: "us1", names });
    names.push("late");
    go();
    expect((await answer).names).toEqual(["a"]);
  });

  it("so that a response kept and changed by the implementation is not changed for the caller", async () => {
    const kept = create(ITEM, { names: ["a"] }) as unknown as Item;
    const { local } = createMonolith({ local: { get: () => kept } });
    const first = await local.get({ cell: "us1" });
    first.names.push("by the caller");
    kept.names.push("by the implementation");
    expect(first.names).toEqual(["a", "by the caller"]);
    expect((await local.get({ cell: "us1" })).names).toEqual(["a", "by the implementation"]);
  });

  it("and the caller gets a message also when the implementation gave only its fields", async () => {
    const { local } = createMonolith({ local: { get: () => ({ names: ["a"] }) } });
    expect(await local.get({ cell: "us1" })).toEqual(create(ITEM, { names: ["a"] }));
  });
});

describe("what an implementation knows of its call", () => {
  it("is its own side, also when the other side called, and the caller's side is back after it", async () => {
    const seen: unknown[] = [];
    const look = (where: string) =>
      seen.push([where, currentSiloContext()?.localMode, currentCall()?.caller, currentCall()?.siloName]);
    const monolith = createMonolith({
      central: {
        async get() {
          look("before");
          await monolith.local.get({ cell: "us1" });
          look("after");
          return {};
        },
      },
      local: {
        async get() {
          await Promise.resolve();
          look("inside");
          return {};
        },
      },
    });
    await withSiloContext({ localMode: "CELL", siloName: "monolith" }, () => monolith.central.get({}));
    expect(seen).toEqual([
      ["before", "CONTROL", "monolith", "monolith"],
      ["inside", "CELL", "monolith", "monolith"],
      ["after", "CONTROL", "monolith", "monolith"],
    ]);
    expect(currentSiloContext()).toBeUndefined();
  });

  it("is the viewer and the trace of the call that it is part of", async () => {
    const outer: CallContext = {
      localMode: "CONTROL",
      siloName: "monolith",
      caller: "us1",
      viewer: { kind: "user", userId: "7" },
      deadlineAtMs: Date.now() + 60_000,
      signal: undefined,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    };
    const seen: unknown[] = [];
    const note = () => {
      seen.push([currentCall()?.viewer, currentCall()?.traceparent]);
      return {};
    };
    const monolith = createMonolith({
      central: {
        async get() {
          note();
          return monolith.local.get({ cell: "us1" });
        },
      },
      local: { get: note },
    });
    await withCallContext(outer, () => monolith.central.get({}));
    expect(seen).toEqual(Array(2).fill([{ kind: "user", userId: "7" }, outer.traceparent]));
  });

  it("is no viewer, and a trace of its own, outside of any call", async () => {
    const seen: (CallContext | undefined)[] = [];
    const { local } = createMonolith({ local: { get: () => (seen.push(currentCall()), {}) } });
    await local.get({ cell: "us1" });
    await local.get({ cell: "us1" });
    expect(seen.map((call) => call?.viewer)).toEqual([undefined, undefined]);
    const traces = seen.map((call) => call?.traceparent);
    expect(traces[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(traces[0]).not.toBe(traces[1]);
    expect(seen[0]?.traceparent).toBe(traces[0]);
  });

  it("is what the caller gave along: headers and context values", async () => {
    const key = createContextKey("nothing");
    const { local } = createMonolith({
      local: {
        get: (_request, context) => ({ names: [context.requestHeader.get("x-request"), context.values.get(key)] }),
      },
    });
    const options = { headers: { "x-request": "r7" }, contextValues: createContextValues().set(key, "value") };
    expect((await local.get({ cell: "us1" }, options)).names).toEqual(["r7", "value"]);
  });
});

describe("the response of a local call", () => {
  it("says which silo served it, beside what the implementation said", async () => {
    const { local } = createMonolith({
      local: {
        get(_request, context) {
          context.responseHeader.set("x-own", "h");
          context.responseTrailer.set("x-own", "t");
          return {};
        },
      },
    });
    const seen: (string | null)[] = [];
    await local.get(
      { cell: "us1" },
      {
        onHeader: (header) => seen.push(header.get("x-cellway-silo"), header.get("x-own")),
        onTrailer: (trailer) => seen.push(trailer.get("x-own")),
      },
    );
    expect(seen).toEqual(["monolith", "h", "t"]);
  });

  it("is counted as a local call, good or bad", async () => {
    const { local, metrics } = createMonolith({ local: { get: () => ({}) } });
    await local.get({ cell: "us1" });
    await failure(local.get({ cell: "us9" }));
    expect(await metrics.value("cellway_rpc_local_calls_total", { method: "local.Get" })).toBe(2);
  });
});
