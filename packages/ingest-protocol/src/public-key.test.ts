import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { hasPath, PROJECT_CONFIGS_PATH, parseIngestPath } from "./paths.js";
import { explainKeyFault, readEnvelopeKey, readPublicKey } from "./public-key.js";

const KEY = "0123456789abcdef0123456789abcdef";
const OTHER = "f".repeat(32);

test.each([
  ["X-Sentry-Auth", { "x-sentry-auth": `Sentry sentry_version=7,sentry_key=${KEY} , sentry_client=a/1` }, "/"],
  ["X-Sentry-Auth without its word", { "x-sentry-auth": `sentry_key=${KEY}` }, "/"],
  ["Authorization: Sentry", { authorization: `Sentry sentry_key=${KEY}, sentry_version=7` }, "/"],
  ["Authorization: Basic", { authorization: `Basic ${Buffer.from(`${KEY}:secret`).toString("base64")}` }, "/"],
  ["the query", {}, `/api/1/envelope/?sentry_version=7&sentry_key=${KEY}`],
  ["X-Sentry-Auth before the query", { "x-sentry-auth": `Sentry sentry_key=${KEY}` }, `/?sentry_key=${OTHER}`],
])("a key is read from %s", (_where, headers, url) => {
  expect(readPublicKey({ headers, url })).toMatchObject({ kind: "key", publicKey: KEY });
});

test.each([
  ["too short", { "x-sentry-auth": "Sentry sentry_key=abc" }, "/"],
  ["in capitals", {}, `/?sentry_key=${KEY.toUpperCase()}`],
  ["empty", {}, "/?sentry_key="],
  ["not said", { "x-sentry-auth": "Sentry sentry_version=7" }, "/"],
])("a key that is %s is malformed, not absent: no other place is looked at", (_how, headers, url) => {
  expect(readPublicKey({ headers, url }).kind).toBe("malformed");
});

test("why a key is refused is a whole sentence, which names the place", () => {
  expect(explainKeyFault({ kind: "none" }).detail).toMatch(/^Name the project .*\?sentry_key=KEY\.$/);
  expect(explainKeyFault({ kind: "malformed", from: "x-sentry-auth" }).detail).toMatch(/^x-sentry-auth: .*[a-z]\.$/);
});

test("a bearer token is no project key", () => {
  expect(readPublicKey({ headers: { authorization: `Bearer ${KEY}` }, url: "/" })).toEqual({ kind: "none" });
});

test("an envelope's DSN names its key, and nothing else of the line does", () => {
  expect(readEnvelopeKey(`{"dsn":"https://${KEY}@us.in.example.com/42"}`)).toMatchObject({ publicKey: KEY });
  expect(readEnvelopeKey('{"dsn":"no URL"}').kind).toBe("malformed");
  for (const line of ["{}", "", "[]", "null", `{"event_id":"${KEY}"}`]) expect(readEnvelopeKey(line).kind).toBe("none");
});

test("a path names a project and an endpoint, or nothing", () => {
  expect(parseIngestPath("/api/42/envelope/?x=/api/43/store/")).toEqual({ projectId: "42", endpoint: "envelope" });
  expect(parseIngestPath("/api/42/store")).toEqual({ projectId: "42", endpoint: "store" });
  for (const path of [
    "/api/0/organizations/",
    "/api/042/store/",
    "/api/4 2/store/",
    "//api/42/store/",
    "/api/42/../7/",
    "/api/42/",
  ])
    expect(parseIngestPath(path)).toBeUndefined();
  expect(hasPath("/api/0/relays/projectconfigs?version=3", PROJECT_CONFIGS_PATH)).toBe(true);
  expect(hasPath("/api/0/relays/projectconfigs/more", PROJECT_CONFIGS_PATH)).toBe(false);
});

test("whatever a stranger sends, it is read without an error, and never as a key that it does not hold", () => {
  const text = fc.oneof(fc.string(), fc.constantFrom("Sentry ", "Basic ", "sentry_key=", KEY, "=", ",", "?", "&", "%"));
  const texts = fc.array(text, { maxLength: 6 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(texts, texts, texts, texts, (own, authorization, url, line) => {
      parseIngestPath(url);
      const stated = readPublicKey({ headers: { "x-sentry-auth": own, authorization }, url });
      const inLine = readEnvelopeKey(line);
      const isBasic = /^basic /i.test(authorization);
      if (stated.kind === "key" && !isBasic) expect(own + authorization + url).toContain(stated.publicKey);
      if (inLine.kind === "key") expect(line).toContain(inLine.publicKey);
    }),
    { numRuns: 20_000 },
  );
});
