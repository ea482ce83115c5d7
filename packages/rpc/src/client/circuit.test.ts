import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { type Circuit, type CircuitState, createCircuit, type Verdict } from "./circuit.js";

const PROBE_MS = 500;
const LIMITS = {
  circuitFailureShare: 0.5,
  circuitWindowMs: 1_000,
  circuitMinCallsPerSecond: 2,
  circuitProbeMs: PROBE_MS,
  circuitProbeMaxMs: 4 * PROBE_MS,
};
/** Long enough for everything that times out here. */
const LONG_MS = 60_000;

let states: CircuitState[];
let circuit: Circuit;
/** When the test began: before every call. */
let startedAt: number;

beforeEach(() => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
  states = [];
  circuit = createCircuit(LIMITS, (state) => states.push(state));
  startedAt = performance.now();
  pass(1);
});
afterEach(() => {
  jest.useRealTimers();
});

function pass(ms: number): void {
  jest.advanceTimersByTime(ms);
}

/** A call that is admitted and ends like this at once. @returns whether it was admitted. */
function call(verdict: Verdict): boolean {
  const leave = circuit.enter();
  leave?.(verdict);
  return leave !== undefined;
}

/** Fails as many calls as it takes. */
function openByCalls(): void {
  for (let calls = 0; circuit.state === "closed"; calls += 1) {
    if (calls > 100) throw new Error("the circuit does not open");
    call("failure");
  }
}

/** Calls open it, a check closes it, calls that all fail open it again. */
function openTwiceByCalls(): void {
  openByCalls();
  pass(1);
  circuit.settle();
  pass(1);
  openByCalls();
  pass(1);
}

/** How long it takes until a call is let through, which says nothing. Leaves it open with the same pause. */
function timeToProbe(): number {
  for (let ms = 0; ms <= LONG_MS; ms += PROBE_MS / 2) {
    if (call("neutral")) return ms;
    pass(PROBE_MS / 2);
  }
  throw new Error("no call is let through");
}

describe("tripping", () => {
  it("a closed circuit opens it without a call; it is probed a pause later", () => {
    circuit.trip(performance.now());
    expect([circuit.state, call("success")]).toEqual(["open", false]);
    pass(PROBE_MS - 1);
    expect(call("success")).toBe(false);
    pass(1);
    expect(call("success")).toBe(true);
    expect(states).toEqual(["open", "half_open", "closed"]);
  });

  it("is passed over when a call has succeeded since, however long ago, and not for calls that failed or said nothing", () => {
    call("success");
    const succeededAt = performance.now();
    pass(LONG_MS);
    call("failure");
    call("neutral");
    circuit.trip(succeededAt - 1);
    expect([circuit.state, states]).toEqual(["closed", []]);
    circuit.trip(succeededAt);
    expect(circuit.state).toBe("open");
  });

  it("is passed over also when the call that has succeeded since was the probe", () => {
    openByCalls();
    pass(PROBE_MS);
    call("success");
    circuit.trip(startedAt);
    expect(circuit.state).toBe("closed");
  });

  it("an open circuit does not put off its probe, nor make it wait longer", () => {
    circuit.trip(startedAt);
    pass(PROBE_MS - 1);
    circuit.trip(startedAt);
    pass(1);
    expect(call("neutral")).toBe(true);
    expect(timeToProbe()).toBe(PROBE_MS);
    expect(states).toEqual(["open", "half_open", "open", "half_open", "open"]);
  });

  it("a circuit whose probe is under way leaves that to the probe", () => {
    circuit.trip(startedAt);
    pass(PROBE_MS);
    const leave = circuit.enter();
    circuit.trip(startedAt);
    expect([circuit.state, circuit.enter()]).toEqual(["half_open", undefined]);
    leave?.("success");
    expect(states).toEqual(["open", "half_open", "closed"]);
  });
});

describe("settling", () => {
  it.each([
    ["calls", openByCalls],
    ["health checks", () => circuit.trip(startedAt)],
  ])(
    "closes a circuit that %s opened, and begins anew: with the first pause, and without the old failures",
    (_by, open) => {
      open();
      pass(PROBE_MS);
      call("failure");
      call("failure");
      circuit.settle();
      expect([circuit.state, call("failure"), circuit.state]).toEqual(["closed", true, "closed"]);
      openByCalls();
      expect(timeToProbe()).toBe(PROBE_MS);
    },
  );

  it("a closed circuit does nothing: what calls open later, the next check closes", () => {
    circuit.settle();
    expect(states).toEqual([]);
    pass(1);
    openByCalls();
    circuit.settle();
    expect(states).toEqual(["open", "closed"]);
  });

  it("a circuit whose probe is under way leaves that to the probe, whose failure counts", () => {
    openByCalls();
    pass(PROBE_MS);
    const leave = circuit.enter();
    circuit.settle();
    expect([circuit.state, circuit.enter()]).toEqual(["half_open", undefined]);
    leave?.("failure");
    expect([circuit.state, timeToProbe()]).toEqual(["open", 2 * PROBE_MS]);
  });

  it("does not close what calls opened again since, none of them with success: each check lets one call through", () => {
    openTwiceByCalls();
    expect(call("failure")).toBe(false);
    for (const verdict of ["failure", "failure", "neutral"] as const) {
      circuit.settle();
      expect([circuit.state, call(verdict), circuit.state, call("success")]).toEqual(["open", true, "open", false]);
    }
    circuit.settle();
    circuit.settle();
    expect([circuit.state, call("success"), circuit.state]).toEqual(["open", true, "closed"]);
  });

  it.each<[string, () => unknown]>([
    ["a call with success", () => call("success")],
    [
      "a probe with success",
      () => {
        openByCalls();
        pass(PROBE_MS);
        call("success");
      },
    ],
  ])("closes it again after %s since", (_what, succeed) => {
    openByCalls();
    circuit.settle();
    pass(1);
    succeed();
    pass(1);
    openByCalls();
    circuit.settle();
    expect(circuit.state).toBe("closed");
    pass(1);
    openByCalls();
    circuit.settle();
    expect(circuit.state).toBe("open");
  });

  it("closes it each time that checks alone opened it, whatever calls did before", () => {
    openByCalls();
    for (let time = 0; time < 3; time += 1) {
      circuit.settle();
      expect(circuit.state).toBe("closed");
      pass(1);
      call("failure");
      circuit.trip(startedAt);
      pass(1);
    }
    expect(circuit.state).toBe("open");
  });

  it("that does not close it lets one call through and leaves the pause as it is: a probe that fails doubles it", () => {
    openTwiceByCalls();
    circuit.settle();
    call("failure");
    expect(timeToProbe()).toBe(2 * PROBE_MS);
    circuit.settle();
    expect(timeToProbe()).toBe(0);
  });
});

describe("a call that was admitted before the circuit opened", () => {
  const closeByProbe = () => {
    pass(PROBE_MS);
    call("success");
  };
  const ways: [string, () => void][] = [
    ["while it is open", () => {}],
    ["once a check has closed it", () => circuit.settle()],
    ["once a probe has closed it", closeByProbe],
  ];

  it.each(ways)("and fails says nothing %s", (_when, then) => {
    const leaves = Array.from({ length: 20 }, () => circuit.enter());
    circuit.trip(startedAt);
    then();
    const before = [...states];
    for (const leave of leaves) leave?.("failure");
    expect(states).toEqual(before);
  });

  it("and succeeds once it is closed says that the peer answers now", () => {
    const leave = circuit.enter();
    openByCalls();
    circuit.settle();
    pass(1);
    leave?.("success");
    circuit.trip(performance.now() - 1);
    expect(circuit.state).toBe("closed");
  });
});
