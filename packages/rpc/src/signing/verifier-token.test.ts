import { beforeEach, describe, expect, it } from "@jest/globals";
import { reasonOf } from "../errors.js";
import { createMasterKeyRing } from "./keys.js";
import { createNonceMemory } from "./nonce-memory.js";
import { mintToken } from "./token.js";
import { createVerifier, VIEWER_HEADER } from "./verifier.js";

const NOW_MS = 1_800_000_000_000;
const METHOD = "organization.GetOrganization";
const KEYS = createMasterKeyRing([{ id: "k1", secret: new Uint8Array(32).fill(1) }]);

const clock = { nowMs: NOW_MS };
beforeEach(() => {
  clock.nowMs = NOW_MS;
});

/** us1, and who it takes a tool for: a caller, or the reason of its refusal. */
function createUs1(tokensAllowed: boolean) {
  const refusals: string[] = [];
  const now = () => clock.nowMs;
  const verifier = createVerifier({
    silo: "us1",
    keys: KEYS,
    nonces: createNonceMemory({ windowMs: 1_000, now }),
    tokensAllowed,
    onRefused: (reason) => refusals.push(reason),
    now,
  });
  const judge = (header: Headers, method = METHOD) => {
    const verdict = verifier.checkHeader(method, header);
    return verdict.outcome === "token" ? verdict.caller : verdict;
  };
  const reasonFor = (header: Headers, method = METHOD) => {
    const verdict = verifier.checkHeader(method, header);
    if (verdict.outcome === "refused") return reasonOf(verdict.error);
    return verdict.outcome === "token" ? "accepted" : verdict.outcome;
  };
  return { judge, reasonFor, refusals };
}

describe("a token", () => {
  const claims = { caller: "control", audience: "us1", method: "organization.*", expiresAtMs: NOW_MS + 60_000 };
  const withToken = (token: string) =>
    new Headers({ authorization: `Bearer ${token}`, [VIEWER_HEADER]: "kind=system" });

  it("is refused where tokens are not allowed, good or not", () => {
    expect(createUs1(false).reasonFor(withToken(mintToken(KEYS, claims)))).toBe("TOKEN_NOT_ALLOWED");
    expect(createUs1(false).reasonFor(withToken("x"))).toBe("TOKEN_NOT_ALLOWED");
  });

  it("stands for its caller and for no viewer: that header is not covered by it", () => {
    expect(createUs1(true).judge(withToken(mintToken(KEYS, claims)))).toEqual({
      silo: "control",
      kind: "CONTROL",
      viewer: undefined,
      isTool: true,
    });
  });

  it("is good more than once", () => {
    const us1 = createUs1(true);
    const request = withToken(mintToken(KEYS, claims));
    expect([us1.reasonFor(request), us1.reasonFor(request)]).toEqual(["accepted", "accepted"]);
  });

  it("is refused for another method, after its time, and when it is none", () => {
    const us1 = createUs1(true);
    const request = withToken(mintToken(KEYS, claims));
    expect(us1.reasonFor(request, "user.GetUser")).toBe("TOKEN_METHOD_MISMATCH");
    expect(us1.reasonFor(withToken("x"))).toBe("SIGNATURE_MALFORMED");
    clock.nowMs = claims.expiresAtMs;
    expect(us1.reasonFor(request)).toBe("SIGNATURE_EXPIRED");
    expect(us1.refusals).toEqual(["TOKEN_METHOD_MISMATCH", "SIGNATURE_MALFORMED", "SIGNATURE_EXPIRED"]);
  });
});
