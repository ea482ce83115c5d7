import { describe, expect, it } from "@jest/globals";
import {
  isSignedWith,
  joinEncodings,
  type ParsedSignature,
  parseSignature,
  type SignedContent,
  signRequest,
} from "./signature.js";

const KEY = { id: "k1", secret: new Uint8Array(32).fill(7) };
const NOW_MS = 1_800_000_000_000;
const CONTENT: SignedContent = {
  path: "/cellway.organization.v1.OrganizationService/GetOrganization",
  contentType: "application/proto",
  encoding: "gzip||",
  viewer: "kind=user&user_id=7",
  body: Buffer.from("the body as it crosses the wire"),
};

const sign = () => signRequest(KEY, { caller: "control", audience: "us1", nowMs: NOW_MS }, CONTENT);

function parseOrThrow(header: string): ParsedSignature {
  const signature = parseSignature(header);
  if (signature === undefined) throw new Error(`not a signature: ${header}`);
  return signature;
}

describe("a signature", () => {
  it("says who signed when for whom with which key, and fits its content", () => {
    const signature = parseOrThrow(sign());
    expect(signature.claims).toMatchObject({ keyId: "k1", timestampMs: NOW_MS, caller: "control", audience: "us1" });
    expect(isSignedWith(KEY, signature, CONTENT)).toBe(true);
  });

  it("is another one each time, since no nonce comes twice", () => {
    const nonces = Array.from({ length: 2_000 }, () => parseOrThrow(sign()).claims.nonce);
    expect(new Set(nonces).size).toBe(nonces.length);
  });

  it("does not fit when any one byte of the body is another", () => {
    const signature = parseOrThrow(sign());
    for (let index = 0; index < CONTENT.body.byteLength; index += 1) {
      const body = Uint8Array.from(CONTENT.body);
      body[index] = (body[index] ?? 0) ^ 1;
      expect(isSignedWith(KEY, signature, { ...CONTENT, body })).toBe(false);
    }
  });

  it.each([
    ["a byte more", { body: Buffer.concat([CONTENT.body, Buffer.from([0])]) }],
    ["a byte less", { body: CONTENT.body.subarray(1) }],
    ["no body", { body: new Uint8Array(0) }],
    ["another method", { path: `${CONTENT.path}s` }],
    ["another content type", { contentType: "application/json" }],
    ["no encoding", { encoding: "" }],
    ["the encoding in another protocol's header", { encoding: "||gzip" }],
    ["another viewer", { viewer: "kind=user&user_id=8" }],
    ["no viewer", { viewer: "" }],
    [
      "the content type's end moved to the encoding",
      { contentType: "application/", encoding: `proto${CONTENT.encoding}` },
    ],
  ])("does not fit with %s", (_what, change) => {
    expect(isSignedWith(KEY, parseOrThrow(sign()), { ...CONTENT, ...change })).toBe(false);
  });

  it.each([
    ["key id", { keyId: "k2" }],
    ["timestamp", { timestampMs: NOW_MS + 1 }],
    ["nonce", { nonce: "A".repeat(22) }],
    ["caller", { caller: "de1" }],
    ["audience", { audience: "us2" }],
  ])("does not fit with another %s", (_what, change) => {
    const signature = parseOrThrow(sign());
    expect(isSignedWith(KEY, { ...signature, claims: { ...signature.claims, ...change } }, CONTENT)).toBe(false);
  });

  it("does not fit another key, not even by one bit", () => {
    const secret = Uint8Array.from(KEY.secret);
    secret[31] = 6;
    expect(isSignedWith({ ...KEY, secret }, parseOrThrow(sign()), CONTENT)).toBe(false);
  });

  it("does not fit with any character of its code changed", () => {
    const header = sign();
    const start = header.lastIndexOf(".") + 1;
    // The last character carries two bits that the code does not use.
    for (let index = start; index < header.length - 1; index += 1) {
      const changed = header.slice(0, index) + (header[index] === "A" ? "B" : "A") + header.slice(index + 1);
      expect(isSignedWith(KEY, parseOrThrow(changed), CONTENT)).toBe(false);
    }
  });
});

describe("a header that is not a signature", () => {
  const good = sign();
  const [, claims = ""] = good.split(" ");
  const parts = claims.split(".");
  const withPart = (index: number, value: string) =>
    `Cellway1 ${parts.map((part, at) => (at === index ? value : part)).join(".")}`;

  it.each([
    ["nothing", ""],
    ["another scheme", good.replace("Cellway1", "Bearer")],
    ["another version", good.replace("Cellway1", "Cellway2")],
    ["a lower-case scheme", good.replace("Cellway1", "cellway1")],
    ["two spaces", good.replace(" ", "  ")],
    ["a line break at its end", `${good}\n`],
    ["a part less", good.slice(0, good.lastIndexOf("."))],
    ["a part more", `${good}.x`],
    ["an empty key id", withPart(0, "")],
    ["a long key id", withPart(0, "k".repeat(33))],
    ["no number for a time", withPart(1, "yesterday00")],
    ["a negative time", withPart(1, "-1800000000000")],
    ["a time without end", withPart(1, "1".repeat(16))],
    ["a short nonce", withPart(2, "A".repeat(21))],
    ["a caller in upper case", withPart(3, "Control")],
    ["a caller with a line break", withPart(3, "control\nus1")],
    ["no audience", withPart(4, "")],
    ["a short code", withPart(5, "A".repeat(42))],
    ["a code in another alphabet", withPart(5, "+".repeat(43))],
  ])("is not read: %s", (_what, header) => {
    expect(parseSignature(header)).toBeUndefined();
  });
});

describe("the encodings of the three protocols", () => {
  it("are told apart, so that none can be passed off as another", () => {
    const joined = ["content-encoding", "connect-content-encoding", "grpc-encoding"].map((name) =>
      joinEncodings(new Headers({ [name]: "gzip" })),
    );
    expect(new Set(joined).size).toBe(3);
    expect(joined).toEqual(["gzip||", "|gzip|", "||gzip"]);
  });

  it("are nothing when there are none", () => {
    expect(joinEncodings(new Headers())).toBe("");
  });
});
