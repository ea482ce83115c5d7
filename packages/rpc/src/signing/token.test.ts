import { describe, expect, it } from "@jest/globals";
import { createCellKeyRing, createMasterKeyRing, deriveCellKey } from "./keys.js";
import { isCovered, mintToken, TOKEN_TTL_MAX_MS, type TokenClaims, verifyToken } from "./token.js";

const NOW_MS = 1_800_000_000_000;
const MASTER = { id: "k1", secret: new Uint8Array(32).fill(7) };
const OTHER_MASTER = { id: "k2", secret: new Uint8Array(32).fill(8) };
const CONTROL_RING = createMasterKeyRing([MASTER]);
const CLAIMS: TokenClaims = {
  caller: "control",
  audience: "us1",
  method: "organization.GetOrganization",
  expiresAtMs: NOW_MS + 60_000,
};

const ringOf = (cell: string, ...masters: (typeof MASTER)[]) =>
  createCellKeyRing(
    cell,
    (masters.length === 0 ? [MASTER] : masters).map((master) => deriveCellKey(master, cell)),
  );
const US1_RING = ringOf("us1");

describe("a token", () => {
  it("is accepted by the silo that it was issued for, with what it allows", () => {
    expect(verifyToken(US1_RING, mintToken(CONTROL_RING, CLAIMS), "us1", NOW_MS)).toEqual({
      claims: { ...CLAIMS, keyId: "k1" },
    });
  });

  it("of a cell is accepted by control", () => {
    const claims = { ...CLAIMS, caller: "us1", audience: "control" };
    expect(verifyToken(CONTROL_RING, mintToken(US1_RING, claims), "control", NOW_MS)).toMatchObject({ claims });
  });

  it("for us1 is refused by de1 and by control", () => {
    const token = mintToken(CONTROL_RING, CLAIMS);
    expect(verifyToken(ringOf("de1"), token, "de1", NOW_MS)).toEqual({ refused: "AUDIENCE_MISMATCH" });
    expect(verifyToken(CONTROL_RING, token, "control", NOW_MS)).toEqual({ refused: "AUDIENCE_MISMATCH" });
  });

  it("is good until its time and not at it", () => {
    const token = mintToken(CONTROL_RING, CLAIMS);
    expect(verifyToken(US1_RING, token, "us1", CLAIMS.expiresAtMs - 1)).toHaveProperty("claims");
    expect(verifyToken(US1_RING, token, "us1", CLAIMS.expiresAtMs)).toEqual({ refused: "SIGNATURE_EXPIRED" });
  });

  it("with a life of more than an hour is refused, whoever issued it", () => {
    const longest = mintToken(CONTROL_RING, { ...CLAIMS, expiresAtMs: NOW_MS + TOKEN_TTL_MAX_MS });
    const longer = mintToken(CONTROL_RING, { ...CLAIMS, expiresAtMs: NOW_MS + TOKEN_TTL_MAX_MS + 1 });
    expect(verifyToken(US1_RING, longest, "us1", NOW_MS)).toHaveProperty("claims");
    expect(verifyToken(US1_RING, longer, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_EXPIRED" });
  });

  it.each([
    ["method", { method: "*" }],
    ["time", { expiresAtMs: NOW_MS + 120_000 }],
  ])("whose %s was changed is refused", (_what, change) => {
    const [version, payload = "", mac] = mintToken(CONTROL_RING, CLAIMS).split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as TokenClaims;
    const forged = `${version}.${Buffer.from(JSON.stringify({ ...claims, ...change })).toString("base64url")}.${mac}`;
    expect(verifyToken(US1_RING, forged, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_INVALID" });
  });

  it("whose code was changed is refused", () => {
    const token = mintToken(CONTROL_RING, CLAIMS);
    const at = token.lastIndexOf(".") + 1;
    const forged = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    expect(verifyToken(US1_RING, forged, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_INVALID" });
  });

  it("of a key that the silo does not hold is refused", () => {
    const token = mintToken(createMasterKeyRing([OTHER_MASTER]), CLAIMS);
    expect(verifyToken(US1_RING, token, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_KEY_UNKNOWN" });
  });

  it("of another secret under the same key id is refused", () => {
    const token = mintToken(createMasterKeyRing([{ ...OTHER_MASTER, id: "k1" }]), CLAIMS);
    expect(verifyToken(US1_RING, token, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_INVALID" });
  });

  it("is minted with the first key, and verified with any", () => {
    const token = mintToken(createMasterKeyRing([OTHER_MASTER, MASTER]), CLAIMS);
    expect(verifyToken(US1_RING, token, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_KEY_UNKNOWN" });
    expect(verifyToken(ringOf("us1", MASTER, OTHER_MASTER), token, "us1", NOW_MS)).toHaveProperty("claims.keyId", "k2");
  });

  it.each([
    ["us1", "de1"],
    ["control", "de1"],
    ["de1", "control"],
  ])("cannot be minted by us1 for calls from %s to %s", (caller, audience) => {
    expect(() => mintToken(US1_RING, { ...CLAIMS, caller, audience })).toThrow(
      `There is no key for calls from ${caller} to ${audience}.`,
    );
  });

  it.each([
    ["nothing", ""],
    ["no token", "hunter2"],
    ["another version", mintToken(CONTROL_RING, CLAIMS).replace("cwt1", "cwt2")],
    ["a part less", "cwt1.e30"],
    ["no JSON", `cwt1.AAAA.${"A".repeat(43)}`],
    ["JSON that is no object", `cwt1.${Buffer.from("null").toString("base64url")}.${"A".repeat(43)}`],
    ["claims that are missing", `cwt1.${Buffer.from("{}").toString("base64url")}.${"A".repeat(43)}`],
    [
      "claims of another type",
      `cwt1.${Buffer.from(JSON.stringify({ ...CLAIMS, keyId: "k1", expiresAtMs: "never" })).toString("base64url")}.${"A".repeat(43)}`,
    ],
    ["a payload without end", `cwt1.${"A".repeat(1_025)}.${"A".repeat(43)}`],
  ])("is not read: %s", (_what, token) => {
    expect(verifyToken(US1_RING, token, "us1", NOW_MS)).toEqual({ refused: "SIGNATURE_MALFORMED" });
  });
});

describe("the names in a token", () => {
  it.each([
    ["", "us1"],
    ["a".repeat(33), "us1"],
    ["é".repeat(300), "us1"],
    ["Control", "us1"],
    ["control\n", "us1"],
    ["control", "us1.internal"],
  ])("are those of silos, or it is not read: %j for %j", (caller, audience) => {
    const payload = Buffer.from(JSON.stringify({ ...CLAIMS, caller, audience, keyId: "k1" })).toString("base64url");
    const token = `cwt1.${payload.slice(0, 1_024)}.${"A".repeat(43)}`;
    expect(verifyToken(CONTROL_RING, token, audience, NOW_MS)).toEqual({ refused: "SIGNATURE_MALFORMED" });
  });
});

describe("what a token covers", () => {
  it.each([
    ["*", "organization.GetOrganization", true],
    ["organization.*", "organization.GetOrganization", true],
    ["organization.GetOrganization", "organization.GetOrganization", true],
    ["organization.GetOrganization", "organization.GetOrganizationBySlug", false],
    ["organization.Get*", "organization.GetOrganization", false],
    ["organization.*", "organizations.GetOrganization", false],
    ["organ*", "organization.GetOrganization", false],
    ["organization", "organization.GetOrganization", false],
    ["user.*", "organization.GetOrganization", false],
    [".*", "organization.GetOrganization", false],
    ["", "organization.GetOrganization", false],
  ])("%j and %s: %j", (pattern, method, covered) => {
    expect(isCovered(pattern, method)).toBe(covered);
  });
});
