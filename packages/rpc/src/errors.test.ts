import { create } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "@cellway/gen/google/rpc/error_details";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJson, errorToJson } from "@connectrpc/connect/protocol-connect";
import { describe, expect, it } from "@jest/globals";
import { clearUnsent, createRpcError, errorMetadataOf, isUnsent, markUnsent, reasonOf } from "./errors.js";

/** What the other side makes of an error after it crossed the wire. */
function cross(error: ConnectError): ConnectError {
  const json = JSON.parse(JSON.stringify(errorToJson(error, undefined))) as Parameters<typeof errorFromJson>[0];
  return errorFromJson(json, undefined, new ConnectError("unreadable", Code.DataLoss));
}

describe("an error for the caller", () => {
  const error = createRpcError(Code.NotFound, "CELL_NOT_FOUND", "There is no cell us9.", {
    metadata: { cell: "us9" },
    cause: new Error("secret of the database"),
  });

  it("has its code, its sentence, its reason and its facts", () => {
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "There is no cell us9." });
    expect(reasonOf(error)).toBe("CELL_NOT_FOUND");
    expect(errorMetadataOf(error)).toEqual({ cell: "us9" });
  });

  it("has them in another silo too", () => {
    const there = cross(error);
    expect(there).toMatchObject({ code: Code.NotFound, rawMessage: "There is no cell us9." });
    expect(reasonOf(there)).toBe("CELL_NOT_FOUND");
    expect(errorMetadataOf(there)).toEqual({ cell: "us9" });
  });

  it("has its cause here and never there", () => {
    expect(error.cause).toMatchObject({ message: "secret of the database" });
    expect(JSON.stringify(errorToJson(error, undefined))).not.toContain("secret of the database");
    expect(cross(error).cause).toBeUndefined();
  });

  it("does not change with the facts that it was made from", () => {
    const metadata = { cell: "us9" };
    const made = createRpcError(Code.NotFound, "CELL_NOT_FOUND", "no", { metadata });
    metadata.cell = "de1";
    expect(errorMetadataOf(made)).toEqual({ cell: "us9" });
  });
});

describe("an error of anybody else", () => {
  it.each([
    ["a plain error", new Error("no")],
    ["a ConnectError", new ConnectError("no", Code.NotFound)],
    [
      "an error of another domain",
      new ConnectError("no", Code.NotFound, undefined, [
        {
          desc: ErrorInfoSchema,
          value: create(ErrorInfoSchema, { domain: "googleapis.com", reason: "CIRCUIT_OPEN", metadata: { a: "b" } }),
        },
      ]),
    ],
    ["no error", undefined],
    ["null", null],
    ["a string", "CIRCUIT_OPEN"],
  ])("has no reason and no facts: %s", (_what, error) => {
    expect(reasonOf(error)).toBeUndefined();
    expect(errorMetadataOf(error)).toEqual({});
  });
});

describe("the mark of an unsent request", () => {
  it("is on the marked error and on no other", () => {
    const error = new ConnectError("no", Code.Unavailable);
    expect(isUnsent(error)).toBe(false);
    expect(markUnsent(error)).toBe(error);
    expect(isUnsent(error)).toBe(true);
    expect(isUnsent(new ConnectError("no", Code.Unavailable))).toBe(false);
  });

  it("can be taken off again", () => {
    const error = markUnsent(new ConnectError("no", Code.Unavailable));
    expect(clearUnsent(error)).toBe(error);
    expect(isUnsent(error)).toBe(false);
    expect(clearUnsent(undefined)).toBeUndefined();
  });

  it("does not cross the wire: what a peer answered was sent", () => {
    expect(isUnsent(cross(markUnsent(createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "no"))))).toBe(false);
  });

  it.each([[undefined], [null], ["text"], [7]])("is not on %j", (value) => {
    expect(isUnsent(value)).toBe(false);
  });
});
