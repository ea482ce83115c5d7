import { Code, ConnectError } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "@jest/globals";
import { reasonOf } from "../errors.js";
import { createCellKeyRing, createMasterKeyRing, deriveCellKey, type KeyRing, type SigningKey } from "./keys.js";
import { createNonceMemory } from "./nonce-memory.js";
import { CLOCK_TOLERANCE_MS, joinEncodings, signRequest } from "./signature.js";
import { callerKindOf, createVerifier, type VerifiedCaller, VIEWER_HEADER } from "./verifier.js";

const NOW_MS = 1_800_000_000_000;
const PATH = "/cellway.organization.v1.OrganizationService/GetOrganization";
const METHOD = "organization.GetOrganization";
const OLD: SigningKey = { id: "old", secret: new Uint8Array(32).fill(1) };
const NEW: SigningKey = { id: "new", secret: new Uint8Array(32).fill(2) };

/** A request as it crosses the wire. */
interface Wire {
  path: string;
  readonly header: Headers;
  body: Uint8Array;
}

const clock = { nowMs: NOW_MS };
beforeEach(() => {
  clock.nowMs = NOW_MS;
});

function createRequest(
  keys: KeyRing,
  from: { caller: string; audience: string },
  headers: Record<string, string> = {},
): Wire {
  const header = new Headers({
    "content-type": "application/proto",
    [VIEWER_HEADER]: "kind=user&user_id=7",
    ...headers,
  });
  const body = Buffer.from("the body");
  const key = keys.keysBetween(from.caller, from.audience)[0];
  if (key === undefined) throw new Error(`no key from ${from.caller} to ${from.audience}`);
  const content = {
    path: PATH,
    contentType: header.get("content-type") ?? "",
    encoding: joinEncodings(header),
    viewer: header.get(VIEWER_HEADER) ?? "",
    body,
  };
  header.set("authorization", signRequest(key, { ...from, nowMs: clock.nowMs }, content));
  return { path: PATH, header, body };
}

/** One silo, and who it takes a request for: a caller, or the reason of its refusal. */
function createSilo(silo: string, keys: KeyRing, options: { nonceMax?: number } = {}) {
  const refusals: string[] = [];
  const now = () => clock.nowMs;
  const verifier = createVerifier({
    silo,
    keys,
    nonces: createNonceMemory({ windowMs: 2 * CLOCK_TOLERANCE_MS, nonceMax: options.nonceMax ?? 1_000, now }),
    tokensAllowed: false,
    onRefused: (reason) => refusals.push(reason),
    now,
  });
  const judge = (request: Wire, method = METHOD): VerifiedCaller | ConnectError => {
    const verdict = verifier.checkHeader(method, request.header);
    if (verdict.outcome === "refused") return verdict.error;
    return verdict.outcome === "token"
      ? verdict.caller
      : verifier.checkBody(verdict, request.path, request.header, request.body);
  };
  const reasonFor = (request: Wire, method = METHOD): string => {
    const result = judge(request, method);
    if (!(result instanceof ConnectError)) return "accepted";
    expect(result.code).toBe(reasonOf(result) === "REPLAY_MEMORY_FULL" ? Code.Unavailable : Code.Unauthenticated);
    return reasonOf(result) ?? "no reason";
  };
  return { judge, reasonFor, refusals };
}

const CONTROL_KEYS = createMasterKeyRing([OLD]);
const cellKeys = (cell: string) => createCellKeyRing(cell, [deriveCellKey(OLD, cell)]);
const createUs1 = (options?: Parameters<typeof createSilo>[2]) => createSilo("us1", cellKeys("us1"), options);
const TO_US1 = { caller: "control", audience: "us1" };

describe("a signed request", () => {
  it("is accepted, with who called and on whose behalf", () => {
    const us1 = createUs1();
    expect(us1.judge(createRequest(CONTROL_KEYS, TO_US1))).toEqual({
      silo: "control",
      kind: "CONTROL",
      viewer: { kind: "user", userId: "7" },
    });
    expect(us1.refusals).toEqual([]);
  });

  it("of a cell is accepted by control, as a cell's", () => {
    const control = createSilo("control", CONTROL_KEYS);
    expect(control.judge(createRequest(cellKeys("us1"), { caller: "us1", audience: "control" }))).toMatchObject({
      silo: "us1",
      kind: "CELL",
    });
  });

  it("has no viewer when it names none", () => {
    expect(createUs1().judge(createRequest(CONTROL_KEYS, TO_US1, { [VIEWER_HEADER]: "" }))).toMatchObject({
      viewer: undefined,
    });
  });

  const CHANGES: readonly (readonly [string, (request: Wire) => void])[] = [
    ["the first byte of the body", ({ body }) => body.set([(body[0] ?? 0) ^ 1])],
    ["the last byte of the body", ({ body }) => body.set([(body[body.length - 1] ?? 0) ^ 128], body.length - 1)],
    ["the length of the body", (request) => (request.body = Buffer.concat([request.body, Buffer.from(" ")]))],
    ["the path", (request) => (request.path = PATH.replace("Get", "get"))],
    ["the viewer", ({ header }) => header.set(VIEWER_HEADER, "kind=user&user_id=8")],
    ["the viewer, taken away", ({ header }) => header.delete(VIEWER_HEADER)],
    ["the content type", ({ header }) => header.set("content-type", "application/json")],
    ["the encoding", ({ header }) => header.set("content-encoding", "gzip")],
    ["the encoding of a Connect stream", ({ header }) => header.set("connect-content-encoding", "gzip")],
    ["the encoding of gRPC", ({ header }) => header.set("grpc-encoding", "gzip")],
    ["the timestamp", ({ header }) => changePart(header, 1, (timestamp) => String(Number(timestamp) + 1))],
    ["the nonce", ({ header }) => changePart(header, 2, flip)],
    ["the code", ({ header }) => changePart(header, 5, flip)],
  ];

  it.each(CHANGES)(
    "with one change in %s is refused, and the request as it was is still good after it",
    (_what, change) => {
      const us1 = createUs1();
      const request = createRequest(CONTROL_KEYS, TO_US1);
      const changed: Wire = {
        path: request.path,
        header: new Headers(request.header),
        body: Uint8Array.from(request.body),
      };
      change(changed);
      expect(us1.reasonFor(changed)).toBe("SIGNATURE_INVALID");
      expect(us1.refusals).toEqual(["SIGNATURE_INVALID"]);
      expect(us1.reasonFor(request)).toBe("accepted");
    },
  );

  it("with another caller, audience or key id is refused", () => {
    const us1 = createUs1();
    const change = (index: number, value: string) => {
      const request = createRequest(CONTROL_KEYS, TO_US1);
      changePart(request.header, index, () => value);
      return us1.reasonFor(request);
    };
    expect(change(3, "monolith")).toBe("SIGNATURE_INVALID");
    expect(change(3, "de1")).toBe("SIGNATURE_KEY_UNKNOWN");
    expect(change(4, "us2")).toBe("AUDIENCE_MISMATCH");
    expect(change(0, "new")).toBe("SIGNATURE_KEY_UNKNOWN");
  });

  it("signed with another secret under the same key id is refused", () => {
    const forger = createMasterKeyRing([{ id: "old", secret: NEW.secret }]);
    expect(createUs1().reasonFor(createRequest(forger, TO_US1))).toBe("SIGNATURE_INVALID");
  });

  it("that is not signed, or not in our way, is refused", () => {
    const us1 = createUs1();
    const withAuthorization = (value: string | undefined): Wire => ({
      path: PATH,
      header: new Headers(value === undefined ? {} : { authorization: value }),
      body: new Uint8Array(0),
    });
    expect(us1.reasonFor(withAuthorization(undefined))).toBe("SIGNATURE_MISSING");
    for (const value of ["Basic dXNlcjpwdw==", "Cellway1", "Cellway1 k1", "Cellway1 ....."])
      expect(us1.reasonFor(withAuthorization(value))).toBe("SIGNATURE_MALFORMED");
  });

  it.each([-1, 1])("is good up to a clock difference of 60 s and refused beyond it (direction %i)", (direction) => {
    const us1 = createUs1();
    const atEdge = createRequest(CONTROL_KEYS, TO_US1);
    const beyond = createRequest(CONTROL_KEYS, TO_US1);
    clock.nowMs = NOW_MS + direction * CLOCK_TOLERANCE_MS;
    expect(us1.reasonFor(atEdge)).toBe("accepted");
    clock.nowMs = NOW_MS + direction * (CLOCK_TOLERANCE_MS + 1);
    expect(us1.reasonFor(beyond)).toBe("SIGNATURE_EXPIRED");
  });
});

describe("a replay", () => {
  it("is refused at once and for as long as its time would still be accepted", () => {
    const us1 = createUs1();
    // The caller's clock is as far ahead as it may be, which makes the time to remember the longest.
    const request = createRequest(CONTROL_KEYS, TO_US1);
    clock.nowMs = NOW_MS - CLOCK_TOLERANCE_MS;
    expect(us1.reasonFor(request)).toBe("accepted");
    for (const at of [-CLOCK_TOLERANCE_MS, -1, 0, 1, CLOCK_TOLERANCE_MS - 1, CLOCK_TOLERANCE_MS]) {
      clock.nowMs = NOW_MS + at;
      expect(us1.reasonFor(request)).toBe("SIGNATURE_REPLAYED");
    }
    clock.nowMs = NOW_MS + CLOCK_TOLERANCE_MS + 1;
    expect(us1.reasonFor(request)).toBe("SIGNATURE_EXPIRED");
  });

  it("at another silo is refused for its audience", () => {
    const request = createRequest(CONTROL_KEYS, TO_US1);
    expect(createSilo("de1", cellKeys("de1")).reasonFor(request)).toBe("AUDIENCE_MISMATCH");
    expect(createSilo("control", CONTROL_KEYS).reasonFor(request)).toBe("AUDIENCE_MISMATCH");
  });

  it("cannot be let in by filling the memory: a full one refuses what it cannot remember, for now", () => {
    const us1 = createUs1({ nonceMax: 4 });
    const request = createRequest(CONTROL_KEYS, TO_US1);
    expect(us1.reasonFor(request)).toBe("accepted");
    expect(us1.reasonFor(createRequest(CONTROL_KEYS, TO_US1))).toBe("accepted");
    expect(us1.reasonFor(createRequest(CONTROL_KEYS, TO_US1))).toBe("REPLAY_MEMORY_FULL");
    expect(us1.reasonFor(request)).toBe("SIGNATURE_REPLAYED");
    expect(us1.refusals).toEqual(["REPLAY_MEMORY_FULL", "SIGNATURE_REPLAYED"]);
  });

  it("memory is not filled by requests that do not verify", () => {
    const us1 = createUs1({ nonceMax: 1 });
    const forger = createMasterKeyRing([{ id: "old", secret: NEW.secret }]);
    for (let attempt = 0; attempt < 10; attempt += 1)
      expect(us1.reasonFor(createRequest(forger, TO_US1))).toBe("SIGNATURE_INVALID");
    expect(us1.reasonFor(createRequest(CONTROL_KEYS, TO_US1))).toBe("accepted");
  });
});

describe("the key of us1", () => {
  const stolen = deriveCellKey(OLD, "us1");
  /** Signs anything for anybody with the stolen key. */
  const stolenRing: KeyRing = { keysBetween: () => [stolen], secretsFor: () => [], replace: () => {} };

  it.each([
    ["control", "de1", "de1"],
    ["us1", "de1", "de1"],
    ["de1", "control", "control"],
    ["monolith", "de1", "de1"],
    ["control", "control", "control"],
  ])("signs nothing from %s to %s that %s accepts", (caller, audience, silo) => {
    const keys = silo === "control" ? CONTROL_KEYS : cellKeys(silo);
    expect(createSilo(silo, keys).reasonFor(createRequest(stolenRing, { caller, audience }))).toMatch(
      /^SIGNATURE_(INVALID|KEY_UNKNOWN)$/,
    );
  });

  it("verifies nothing that was sent to de1", () => {
    const request = createRequest(CONTROL_KEYS, { caller: "control", audience: "de1" });
    // A silo that calls itself de1 and holds only us1's key.
    expect(createSilo("de1", stolenRing).reasonFor(request)).toBe("SIGNATURE_INVALID");
  });

  it("does speak to control as us1, and that is all", () => {
    expect(
      createSilo("control", CONTROL_KEYS).reasonFor(createRequest(stolenRing, { caller: "us1", audience: "control" })),
    ).toBe("accepted");
  });
});

describe("rotation", () => {
  it("fails no call when first every verifier, then every signer, then every verifier again is replaced", () => {
    const caller = createMasterKeyRing([OLD]);
    const serverKeys = createCellKeyRing("us1", [deriveCellKey(OLD, "us1")]);
    const us1 = createSilo("us1", serverKeys);
    const inFlight = createRequest(caller, TO_US1);

    serverKeys.replace([deriveCellKey(OLD, "us1"), deriveCellKey(NEW, "us1")]);
    expect(us1.reasonFor(createRequest(caller, TO_US1))).toBe("accepted");
    caller.replace([NEW, OLD]);
    const signedAnew = createRequest(caller, TO_US1);
    expect(signedAnew.header.get("authorization")).toMatch(/^Cellway1 new\./);
    expect(us1.reasonFor(signedAnew)).toBe("accepted");
    expect(us1.reasonFor(inFlight)).toBe("accepted");

    const late = createRequest(createMasterKeyRing([OLD]), TO_US1);
    serverKeys.replace([deriveCellKey(NEW, "us1")]);
    expect(us1.reasonFor(createRequest(caller, TO_US1))).toBe("accepted");
    expect(us1.reasonFor(late)).toBe("SIGNATURE_KEY_UNKNOWN");
  });
});

describe("a refusal", () => {
  it("says how to do better", () => {
    const error = createUs1().judge({ path: PATH, header: new Headers(), body: new Uint8Array(0) }) as ConnectError;
    expect(error.rawMessage).toMatch(/not signed/);
  });

  it("knows a caller's kind by its name", () => {
    const kinds = ["control", "monolith", "us1", "edge", "edge:us-router"].map(callerKindOf);
    expect(kinds.join(" ")).toBe("CONTROL CONTROL CELL CELL EDGE");
  });
});

function flip(text: string): string {
  return (text.startsWith("A") ? "B" : "A") + text.slice(1);
}

/** Changes one part of `<key id>.<timestamp>.<nonce>.<caller>.<audience>.<code>`. */
function changePart(header: Headers, index: number, change: (value: string) => string): void {
  const [scheme = "", claims = ""] = (header.get("authorization") ?? "").split(" ");
  const parts = claims.split(".");
  parts[index] = change(parts[index] ?? "");
  header.set("authorization", `${scheme} ${parts.join(".")}`);
}
