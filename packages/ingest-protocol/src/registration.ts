import { createHmac, hkdfSync, randomUUID, timingSafeEqual } from "node:crypto";
import type { BodyRequest } from "./read-body.js";
import type { RelayCredentials } from "./relay-signature.js";
import { parseJsonObject, RelayRequestError, readSignedBody, type SignedBodyRules } from "./signed-body.js";

/** Where Relays register, in two steps, before they ask for anything. */
export const REGISTRATION_PATHS = {
  challenge: "/api/0/relays/register/challenge/",
  response: "/api/0/relays/register/response/",
} as const;

/** How long a challenge may be answered, in milliseconds. */
const CHALLENGE_MAX_AGE_MS = 60_000;
const TOKEN_MAX_LENGTH = 512;
const CODE = "REGISTRATION_INVALID";

/** What registration is answered with. */
export interface RegistrationRules extends SignedBodyRules {
  /** Whose secret the challenges are made with: every process that has it accepts them. */
  readonly credentials: RelayCredentials;
}

/**
 * Answers one step of the registration of a Relay that is known here. Nothing is remembered between the steps: the challenge
 * says all there is, and is signed, so that the two may reach different processes.
 *
 * @throws RelayRequestError
 */
export async function answerRegistration(
  step: keyof typeof REGISTRATION_PATHS,
  req: BodyRequest,
  rules: RegistrationRules,
): Promise<{ readonly relay_id: string; readonly token?: string }> {
  const { relayId, body } = await readSignedBody(req, rules);
  const said = parseJsonObject(body, CODE);
  if (typeof said["relay_id"] !== "string" || said["relay_id"].toLowerCase() !== relayId)
    throw new RelayRequestError("relay_id: must be that of the Relay that signed", 400, CODE);
  if (step === "challenge") return { relay_id: relayId, token: createToken(relayId, rules) };
  const { token } = said;
  if (typeof token !== "string" || !isTokenOf(relayId, token, rules))
    throw new RelayRequestError("token: must be that of a challenge to this Relay of the last minute", 401, CODE);
  return { relay_id: relayId };
}

function createToken(relayId: string, { credentials, nowMs }: RegistrationRules): string {
  const state = Buffer.from(JSON.stringify({ relayId, atMs: nowMs, nonce: randomUUID() })).toString("base64url");
  return `${state}:${signState(state, credentials).toString("base64url")}`;
}

function isTokenOf(relayId: string, token: string, { credentials, nowMs }: RegistrationRules): boolean {
  const [state = "", proof = ""] = token.length > TOKEN_MAX_LENGTH ? [] : token.split(":");
  const expected = signState(state, credentials);
  const given = Buffer.from(proof, "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
  // It is ours: it has the form that we gave it.
  const said = JSON.parse(Buffer.from(state, "base64url").toString()) as { relayId: string; atMs: number };
  return said.relayId === relayId && Math.abs(nowMs - said.atMs) <= CHALLENGE_MAX_AGE_MS;
}

function signState(state: string, { secretKey }: RelayCredentials): Buffer {
  const secret = secretKey.export({ format: "der", type: "pkcs8" });
  const key = Buffer.from(hkdfSync("sha256", secret, "", "cellway relay registration", 32));
  return createHmac("sha256", key).update(state).digest();
}
