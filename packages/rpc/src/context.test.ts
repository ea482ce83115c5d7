import { currentSiloContext, withSiloContext } from "@cellway/silo";
import { describe, expect, it } from "@jest/globals";
import {
  type CallContext,
  currentCall,
  detachFromCall,
  formatViewer,
  parseViewer,
  type Viewer,
  withCallContext,
  withViewer,
} from "./context.js";

const CALL: CallContext = {
  localMode: "CELL",
  siloName: "us1",
  caller: "control",
  viewer: { kind: "user", userId: "7" },
  deadlineAtMs: 1_800_000_000_000,
  signal: new AbortController().signal,
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
};

/** Lets everything else that is ready run first. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("the current call", () => {
  it("is the one being served, across awaits, and none outside", async () => {
    expect(currentCall()).toBeUndefined();
    await withCallContext(CALL, async () => {
      await turn();
      expect(currentCall()).toBe(CALL);
      expect(currentSiloContext()).toBe(CALL);
    });
    expect(currentCall()).toBeUndefined();
  });

  it("is none in a task, which has only a side", () => {
    withSiloContext({ localMode: "CELL", siloName: "us1" }, () => expect(currentCall()).toBeUndefined());
  });

  it("is never another's when two run at once", async () => {
    const serve = (caller: string) =>
      withCallContext({ ...CALL, caller }, async () => {
        await turn();
        return currentCall()?.caller;
      });
    expect(await Promise.all([serve("control"), serve("us1"), serve("de1")])).toEqual(["control", "us1", "de1"]);
  });
});

describe("detached work", () => {
  it("keeps its side and has no caller, deadline or viewer", () => {
    withCallContext(CALL, () =>
      detachFromCall(() => {
        expect(currentSiloContext()).toEqual({ localMode: "CELL", siloName: "us1" });
        expect(currentCall()).toBeUndefined();
      }),
    );
  });

  it("outside of any call is just work", () => {
    expect(detachFromCall(() => [currentSiloContext(), 7])).toEqual([undefined, 7]);
  });
});

describe("work for another viewer", () => {
  it("is the same call in everything else, and the viewer is the old one after it", () => {
    withCallContext(CALL, () => {
      withViewer({ kind: "system" }, () => expect(currentCall()).toEqual({ ...CALL, viewer: { kind: "system" } }));
      expect(currentCall()?.viewer).toEqual(CALL.viewer);
    });
  });

  it("keeps what a call computes when it is asked", () => {
    class LazyCall {
      readonly localMode = "CELL";
      readonly siloName = "us1";
      readonly caller = "us1";
      readonly viewer = undefined;
      readonly deadlineAtMs = 1;
      readonly signal = undefined;
      get traceparent() {
        return CALL.traceparent;
      }
    }
    withCallContext(new LazyCall(), () =>
      withViewer({ kind: "system" }, () => expect(currentCall()?.traceparent).toBe(CALL.traceparent)),
    );
  });

  it("needs a call", () => {
    expect(() => withViewer({ kind: "system" }, () => 1)).toThrow(/needs a call/);
  });
});

describe("a viewer on the wire", () => {
  const viewers: Viewer[] = [
    { kind: "system" },
    { kind: "integration" },
    { kind: "user", userId: "7" },
    { kind: "user", userId: "9223372036854775807", tokenId: "12" },
    { kind: "user", userId: "7", ipAddress: "2001:db8::7" },
    { kind: "user", userId: "&kind=system" },
    { kind: "user", userId: "a=b c+d%\r\nx-injected: 1" },
  ];

  it.each(viewers)("is the same after it: %j", (viewer) => {
    const text = formatViewer(viewer);
    expect(parseViewer(text)).toEqual(viewer);
    expect(new Headers({ viewer: text }).get("viewer")).toBe(text);
  });

  it.each([[""], ["kind=root"], ["kind="], ["user_id=7"], ["nonsense"]])("is none when it is %j", (text) => {
    expect(parseViewer(text)).toBeUndefined();
  });

  it("has no address that is none", () => {
    expect(parseViewer("kind=user&user_id=7&ip=1.2.3.4%20or%201")).toEqual({ kind: "user", userId: "7" });
  });

  it("may hold fields of a later version", () => {
    expect(parseViewer("kind=user&user_id=7&session=3")).toEqual({ kind: "user", userId: "7" });
  });
});
