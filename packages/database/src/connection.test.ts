import { inspect } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { parseDatabaseUrl } from "./connection.js";
import { openDatabase } from "./database.js";
import { DatabaseConnectError } from "./errors.js";
import { assertServerVersion } from "./probe.js";

describe("a database URL", () => {
  test("names a TCP server", () => {
    const parsed = parseDatabaseUrl("postgres://user:p%40ss@db.internal:6432/us1");
    expect(parsed).toMatchObject({ host: "db.internal", port: 6432, user: "user", database: "us1", ssl: false });
    expect(parsed.password()).toBe("p@ss");
  });

  test("names a unix socket", () => {
    const parsed = parseDatabaseUrl("postgres://user@/us1?host=/run/post%20gres");
    expect(parsed).toMatchObject({ host: "/run/post gres", port: 5432, user: "user", database: "us1" });
    expect(() => parsed.password()).toThrow("has none");
  });

  test("with TLS asks for TLS", () => {
    expect(parseDatabaseUrl("postgres://user@db/us1?sslmode=no-verify").ssl).toEqual({ rejectUnauthorized: false });
  });

  test.each([
    ["mysql://u:s3cret@h/d", "begin with postgres://"],
    ["postgres://u:s3cret@h", "no database"],
    ["postgres://:s3cret@h/d", "no user"],
    ["postgres://u:12/s3cret@h/d", "percent-encode"],
    ["postgres://u:12#s3cret@h/d", "percent-encode"],
    ["postgres://u:s3cret@h:port/d", "percent-encode"],
  ])("that is wrong is refused without being repeated: %s", (url, why) => {
    expect(() => parseDatabaseUrl(url)).toThrow(why);
    expect(() => parseDatabaseUrl(url)).not.toThrow(/s3cret/);
  });

  test("is not printed with its password", () => {
    expect(inspect(parseDatabaseUrl("postgres://u:s3cret@h/d"))).not.toContain("s3cret");
  });
});

test("a server that cannot be reached is named, without the password, in message and cause", async () => {
  const url = "postgres://user:s3cret@127.0.0.1:1/us1";
  const error = await openDatabase({ localMode: "CELL", siloName: "us1", url, entities: [] }).catch(
    (thrown: unknown) => thrown as Error,
  );
  expect(error).toBeInstanceOf(DatabaseConnectError);
  expect((error as Error).message).toContain("user@127.0.0.1:1/us1");
  expect((error as Error).message).toContain("ECONNREFUSED");
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("s3cret");
});

test("a server older than 14 is refused with both versions", async () => {
  const old = { query: async () => [{ version: 130005 }] };
  await expect(assertServerVersion(old)).rejects.toThrow("PostgreSQL 13.5 is too old: 14 or newer");
});
