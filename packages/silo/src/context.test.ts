import { describe, expect, it } from "@jest/globals";
import { currentSiloContext, type SiloContext, withSiloContext } from "./context.js";
import { SiloLimitError } from "./errors.js";

const CONTROL: SiloContext = { localMode: "CONTROL", siloName: "control" };
const US1: SiloContext = { localMode: "CELL", siloName: "us1" };

/** Lets everything else that is ready run first. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("the silo context", () => {
  it("is nothing outside of any", () => {
    expect(currentSiloContext()).toBeUndefined();
  });

  it("holds inside, gives the result back and ends with the work", () => {
    expect(withSiloContext(US1, () => currentSiloContext())).toBe(US1);
    expect(currentSiloContext()).toBeUndefined();
  });

  it("ends with work that throws", () => {
    expect(() =>
      withSiloContext(US1, () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(currentSiloContext()).toBeUndefined();
  });

  it("holds across awaits and timers", async () => {
    await withSiloContext(US1, async () => {
      await turn();
      expect(currentSiloContext()).toBe(US1);
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      expect(currentSiloContext()).toBe(US1);
    });
    expect(currentSiloContext()).toBeUndefined();
  });

  it("is the innermost one, and the outer one again after it", async () => {
    await withSiloContext(CONTROL, async () => {
      await withSiloContext(US1, async () => {
        await turn();
        expect(currentSiloContext()).toBe(US1);
      });
      expect(currentSiloContext()).toBe(CONTROL);
    });
  });

  it("is never another one's when many run at once", async () => {
    const contexts = Array.from(
      { length: 50 },
      (_, index): SiloContext => ({ localMode: "CELL", siloName: `c${index}` }),
    );
    const seen = await Promise.all(
      contexts.map((context) =>
        withSiloContext(context, async () => {
          const names: (string | undefined)[] = [];
          for (let step = 0; step < 5; step += 1) {
            await turn();
            names.push(currentSiloContext()?.siloName);
          }
          return names;
        }),
      ),
    );
    expect(seen).toEqual(contexts.map(({ siloName }) => Array(5).fill(siloName)));
  });
});

describe("SiloLimitError", () => {
  it("says what was used, where it belongs, where it was used and what to do instead", () => {
    const error = new SiloLimitError("entity", "User", "CONTROL", "cell us1");
    expect(error.message).toBe(
      "The entity User belongs to the control silo and was used in cell us1. Call the service that owns it through its generated client instead.",
    );
    expect(error).toMatchObject({
      name: "SiloLimitError",
      kind: "entity",
      subject: "User",
      belongsTo: "CONTROL",
      usedIn: "cell us1",
    });
  });
});
