import type { IncomingHttpHeaders } from "node:http";
import { readJsonObject } from "./json-object.js";

/** The part of a request by which its key is found. */
export interface RequestHead {
  readonly headers: IncomingHttpHeaders;
  /** Path and query. */
  readonly url?: string | undefined;
}

/** What a request says of its key: it, that there is none, or that what there is can be no key. */
export type StatedKey =
  | { readonly kind: "key"; readonly publicKey: string; readonly from: KeySource }
  | { readonly kind: "none" }
  | { readonly kind: "malformed"; readonly from: KeySource };

/** Where a key was. */
export type KeySource = "x-sentry-auth" | "authorization" | "sentry_key" | "dsn";

const PUBLIC_KEY = /^[0-9a-f]{32}$/;
/** The longest envelope header that is read for its DSN, in bytes. */
export const ENVELOPE_HEADER_MAX_BYTES = 8 * 1_024;

/** Whether a text can be the public key of a project: 32 lower-case hexadecimal digits. */
export function isPublicKey(text: string): boolean {
  return PUBLIC_KEY.test(text);
}

/**
 * The public key that a request names, in the order in which SDKs are believed: `X-Sentry-Auth`, `Authorization` (`Sentry …`, or
 * the user of a DSN as Basic), `?sentry_key=`. An envelope may name it in its own header instead: {@link readEnvelopeKey}.
 */
export function readPublicKey({ headers, url }: RequestHead): StatedKey {
  const own = headers["x-sentry-auth"];
  if (typeof own === "string" && own !== "") return state("x-sentry-auth", readSentryAuth(own));
  const { authorization } = headers;
  if (authorization !== undefined && /^(?:sentry|basic) /i.test(authorization)) {
    return state("authorization", readAuthorization(authorization));
  }
  const query = url?.split("?").slice(1).join("?") ?? "";
  const said = new URLSearchParams(query).get("sentry_key");
  return said === null ? { kind: "none" } : state("sentry_key", said);
}

/** Why a request without a key that could be one is refused, in a sentence for whoever sent it. */
export function explainKeyFault(stated: Exclude<StatedKey, { readonly kind: "key" }>) {
  return stated.kind === "none"
    ? ({
        code: "PROJECT_KEY_MISSING",
        detail: "Name the project by its public key, in X-Sentry-Auth or as ?sentry_key=KEY.",
      } as const)
    : ({
        code: "PROJECT_KEY_MALFORMED",
        detail: `${stated.from}: a public key is 32 lower-case hexadecimal digits.`,
      } as const);
}

/** The key of the DSN in the first line of an envelope: what tunnels send. */
export function readEnvelopeKey(line: string): StatedKey {
  const header = readJsonObject(line);
  const dsn = header?.["dsn"];
  if (typeof dsn !== "string") return { kind: "none" };
  return state("dsn", URL.canParse(dsn) ? new URL(dsn).username : "");
}

function state(from: KeySource, text: string): StatedKey {
  return isPublicKey(text) ? { kind: "key", publicKey: text, from } : { kind: "malformed", from };
}

/** `Sentry sentry_version=7, sentry_key=…, sentry_client=…`; some clients leave the word out. */
function readSentryAuth(text: string): string {
  for (const part of text.replace(/^sentry\s+/i, "").split(",")) {
    const [name = "", value = ""] = part.split("=", 2);
    if (name.trim().toLowerCase() === "sentry_key") return value.trim();
  }
  return "";
}

function readAuthorization(text: string): string {
  if (/^sentry /i.test(text)) return readSentryAuth(text);
  const decoded = Buffer.from(text.slice("basic ".length).trim(), "base64").toString("latin1");
  return decoded.split(":", 1)[0] ?? "";
}
