import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { findRelayFault, parseRelayCredentials, parseRelayKeys, signRelayRequest } from "./relay-signature.js";

const NOW_MS = Date.parse("2026-11-27T12:00:00Z");
const ID = "cb12a9d2-9a47-4d24-8c5b-1b7c5b2f9d10";

function createTexts() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const [secret, open] = [privateKey.export({ format: "jwk" }).d ?? "", publicKey.export({ format: "jwk" }).x ?? ""];
  return { secret, open };
}

function createSigned(body: Buffer, nowMs = NOW_MS) {
  const { secret, open } = createTexts();
  const headers = signRelayRequest(parseRelayCredentials(`${ID}=${secret}`, "test"), body, nowMs);
  const keys = parseRelayKeys(`${ID}=${open}`, "test");
  const said = { id: headers["x-sentry-relay-id"], signature: headers["x-sentry-relay-signature"] };
  return { said, keys };
}

describe("a Relay's signature", () => {
  const body = Buffer.from('{"publicKeys":[]}');

  test("is accepted for as long as five minutes", () => {
    const { said, keys } = createSigned(body);
    for (const laterMs of [0, 300_000])
      expect(findRelayFault(said, body, { keys, nowMs: NOW_MS + laterMs })).toBeUndefined();
    expect(findRelayFault(said, body, { keys, nowMs: NOW_MS + 300_001 })).toContain("older");
  });

  test("that is from more than a minute ahead is refused", () => {
    const { said, keys } = createSigned(body, NOW_MS + 60_001);
    expect(findRelayFault(said, body, { keys, nowMs: NOW_MS })).toContain("future");
  });

  test("is of these bytes, this Relay and this time, and of no others", () => {
    const { said, keys } = createSigned(body);
    const [proof = "", header = ""] = said.signature.split(".");
    const later = Buffer.from(JSON.stringify({ t: new Date(NOW_MS + 1).toISOString() })).toString("base64url");
    const wrong = [
      [said, Buffer.from("{}")],
      [{ ...said, id: randomUUID() }, body],
      [{ ...said, id: undefined }, body],
      [{ ...said, signature: undefined }, body],
      [{ ...said, signature: `${proof}.${later}` }, body],
      [{ ...said, signature: `.${header}` }, body],
      [{ ...said, signature: "x".repeat(10_000) }, body],
    ] as const;
    for (const [signed, bytes] of wrong) expect(findRelayFault(signed, bytes, { keys, nowMs: NOW_MS })).toBeDefined();
  });

  test("must say when it was made", () => {
    const { secret, open } = createTexts();
    const { secretKey } = parseRelayCredentials(`${ID}=${secret}`, "test");
    const keys = parseRelayKeys(`${ID}=${open}`, "test");
    for (const header of [Buffer.from("{}"), Buffer.from('{"t":7}'), Buffer.from("no JSON")]) {
      const proof = sign(null, Buffer.concat([header, Buffer.of(0), body]), secretKey);
      const signature = `${proof.toString("base64url")}.${header.toString("base64url")}`;
      expect(findRelayFault({ id: ID, signature }, body, { keys, nowMs: NOW_MS })).toContain("`t`");
    }
  });
});

test("settings that are wrong are named, and a secret is never shown", () => {
  expect(() => parseRelayKeys("x=y", "the setting")).toThrow("the setting");
  const secret = "s".repeat(42);
  expect(() => parseRelayCredentials(`${ID}=${secret}`, "the setting")).toThrow("the setting");
  try {
    parseRelayCredentials(`${ID}=${secret}`, "the setting");
  } catch (error) {
    expect(String(error)).not.toContain(secret);
  }
});
