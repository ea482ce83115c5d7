import { expect, test } from "@jest/globals";
import type { SiloProcess } from "./silo-process.js";
import { RESTARTS_MAX, type SupervisorEvent, superviseSilo } from "./supervisor.js";

interface FakeProcess extends SiloProcess {
  end(how: string): void;
}

function createFakeProcess(pid: number): FakeProcess {
  let end: (how: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  return { pid, ended, end: (how) => end(how), kill: () => undefined, tail: () => [`last words of ${pid}`] };
}

/** A supervised silo whose processes, clock and pauses are the test's. */
function createFleet() {
  const processes = [createFakeProcess(1)];
  const events: SupervisorEvent[] = [];
  const pauses: number[] = [];
  let nowMs = 0;
  const first = processes[0];
  if (first === undefined) throw new Error("there is a first process");
  const supervisor = superviseSilo({
    silo: "us1",
    first,
    start() {
      const next = createFakeProcess(processes.length + 1);
      processes.push(next);
      return next;
    },
    waitUntilReady: async () => undefined,
    onEvent: (event) => events.push(event),
    now: () => nowMs,
    pause: async (ms) => {
      pauses.push(ms);
    },
  });
  return {
    supervisor,
    events,
    pauses,
    processes,
    pass(ms: number) {
      nowMs += ms;
    },
    async kill() {
      processes.at(-1)?.end("SIGKILL");
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("a silo that dies is announced with its last lines, started again and announced when it serves", async () => {
  const fleet = createFleet();
  await fleet.kill();
  expect(fleet.events).toEqual([
    { kind: "died", silo: "us1", how: "SIGKILL", lines: ["last words of 1"], restartInMs: 250 },
    { kind: "restarted", silo: "us1", pid: 2 },
    { kind: "serving", silo: "us1", pid: 2 },
  ]);
  expect(fleet.supervisor.current().pid).toBe(2);
});

test("each restart within a minute waits twice as long, and the sixth does not come", async () => {
  const fleet = createFleet();
  for (let death = 0; death <= RESTARTS_MAX; death += 1) await fleet.kill();
  expect(fleet.pauses).toEqual([250, 500, 1_000, 2_000, 4_000]);
  expect(fleet.events.at(-1)).toEqual({ kind: "given up", silo: "us1", how: "SIGKILL", lines: ["last words of 6"] });
  expect(fleet.processes).toHaveLength(RESTARTS_MAX + 1);
});

test("a silo that dies once in a while is started again for ever", async () => {
  const fleet = createFleet();
  for (let death = 0; death < 20; death += 1) {
    fleet.pass(30_000);
    await fleet.kill();
  }
  expect(fleet.events.filter((event) => event.kind === "given up")).toEqual([]);
  expect(Math.max(...fleet.pauses)).toBeLessThanOrEqual(1_000);
});

test("after release nothing is started again", async () => {
  const fleet = createFleet();
  fleet.supervisor.release();
  await fleet.kill();
  expect(fleet.events).toEqual([]);
  expect(fleet.processes).toHaveLength(1);
});
