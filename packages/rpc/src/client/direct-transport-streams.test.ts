import { create } from "@bufbuild/protobuf";
import { currentSiloContext, withSiloContext } from "@cellway/silo";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { currentCall } from "../context.js";
import { collect, createMonolith, failure, ITEM, type Item } from "./test-support.js";

describe("a local stream", () => {
  it("gives its messages in order, each a copy, from the callee's side, with the silo's header", async () => {
    const kept = create(ITEM, { names: ["kept"] }) as unknown as Item;
    const { local } = createMonolith({
      local: {
        async *watch(request) {
          yield { names: [request.cell, String(currentSiloContext()?.localMode)] };
          yield kept;
          kept.names.push("changed");
          yield { names: [String(currentCall()?.caller), String(currentSiloContext()?.localMode)] };
        },
      },
    });
    let silo: string | null = null;
    const items = await withSiloContext({ localMode: "CONTROL", siloName: "monolith" }, () =>
      collect(local.watch({ cell: "us1" }, { onHeader: (header) => void (silo = header.get("x-cellway-silo")) })),
    );
    expect(items.map(({ names }) => names)).toEqual([["us1", "CELL"], ["kept"], ["monolith", "CELL"]]);
    expect(silo).toBe("monolith");
  });

  it('that fails on a bug ends in "internal error" after what it gave, and the bug is logged', async () => {
    const { local, lines } = createMonolith({
      local: {
        async *watch() {
          yield { names: ["first"] };
          throw new Error("password of the database");
        },
      },
    });
    const items: Item[] = [];
    const error = await failure(
      (async () => {
        for await (const item of local.watch({ cell: "us1" })) items.push(item);
      })(),
    );
    expect(items).toHaveLength(1);
    expect([error.code, error.rawMessage]).toEqual([Code.Internal, "internal error"]);
    expect(lines.join("")).toContain("password of the database");
  });

  it("that the caller cancels is told to the implementation, which cleans up", async () => {
    const controller = new AbortController();
    const events: string[] = [];
    const { local } = createMonolith({
      local: {
        async *watch(_request, { signal }) {
          try {
            while (!signal.aborted) yield {};
          } finally {
            events.push("cleaned up");
          }
        },
      },
    });
    for await (const item of local.watch({ cell: "us1" }, { signal: controller.signal })) {
      expect(item.names).toEqual([]);
      expect(events).toEqual([]);
      controller.abort();
    }
    expect(events).toEqual(["cleaned up"]);
  });
});
