import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { createRpcError, reasonOf } from "../errors.js";
import { createMonolith, failure, type Implementation } from "./test-support.js";

describe("an error of the implementation", () => {
  const SECRET = "password of the database";

  it.each<[string, Implementation]>([
    [
      "thrown",
      () => {
        throw new Error(SECRET);
      },
    ],
    ["rejected", () => Promise.reject(new Error(SECRET))],
    [
      "that is INTERNAL by its own word",
      () => Promise.reject(new ConnectError(SECRET, Code.Internal, { "x-secret": SECRET })),
    ],
    ["that is UNKNOWN by its own word", () => Promise.reject(new ConnectError(SECRET, Code.Unknown))],
    [
      "with a reason, but INTERNAL",
      () => Promise.reject(createRpcError(Code.Internal, "INVALID_FIELD", SECRET, { cause: new Error(SECRET) })),
    ],
  ])('%s is "internal error" to the caller and logged with its stack', async (_what, get) => {
    const { local, lines } = createMonolith({ local: { get } });
    const error = await failure(local.get({ cell: "us1" }));
    expect([error.code, error.rawMessage, error.cause, error.details]).toEqual([
      Code.Internal,
      "internal error",
      undefined,
      [],
    ]);
    expect([...error.metadata]).toEqual([]);
    expect(JSON.stringify(error) + String(error.stack)).not.toContain(SECRET);
    const entries = lines.map((line) => JSON.parse(line) as { level: string; method: string; err: { stack: string } });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ level: "error", method: "local.Get" });
    expect(entries[0]?.err.stack).toContain(SECRET);
    expect(entries[0]?.err.stack).toContain("direct-transport-errors.test");
  });

  it("that is meant for the caller reaches it as it is, and is not logged as a bug", async () => {
    const { local, lines } = createMonolith({
      local: {
        get: () =>
          Promise.reject(createRpcError(Code.NotFound, "ORGANIZATION_NOT_FOUND", "There is no organization 7.")),
      },
    });
    const error = await failure(local.get({ cell: "us1" }));
    expect([error.code, error.rawMessage, reasonOf(error)]).toEqual([
      Code.NotFound,
      "There is no organization 7.",
      "ORGANIZATION_NOT_FOUND",
    ]);
    expect(lines).toEqual([]);
  });

  it("of a library is translated, and logged as something that passes", async () => {
    const { local, lines } = createMonolith({
      local: { get: () => Promise.reject(new RangeError("connection lost")) },
    });
    const error = await failure(local.get({ cell: "us1" }));
    expect([error.code, reasonOf(error)]).toEqual([Code.Unavailable, "DATABASE_UNAVAILABLE"]);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "warn", err: { message: "connection lost" } });
  });

  it("that it takes for a response is a bug of its own", async () => {
    const { local } = createMonolith({ local: { get: () => ({ names: 7 }) } });
    expect((await failure(local.get({ cell: "us1" }))).code).toBe(Code.Internal);
  });
});
