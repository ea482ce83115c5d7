import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { Fleet } from "@cellway/testing";
import { MODULES } from "./modules.js";

/** Every scope that a public route asks for. */
export const ALL_SCOPES: readonly string[] = [
  ...new Set(
    MODULES.flatMap(({ routes }) => routes).flatMap(({ access }) =>
      "scope" in access && access.scope !== undefined ? [access.scope] : [],
    ),
  ),
];

/** An answer of the public API. */
export interface PublicAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** A new API token of a user; default with every scope. */
export async function createToken(
  fleet: Fleet,
  userId: string,
  scopes: readonly string[] = ALL_SCOPES,
): Promise<string> {
  const { token } = await fleet.client(UserService).createApiToken({ userId, name: "test", scopes: [...scopes] });
  return token;
}

/** Asks a silo's public listener. */
export async function ask(
  silo: { readonly httpAddress: string },
  method: string,
  path: string,
  options: { readonly token?: string; readonly body?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<PublicAnswer> {
  const { token, body, headers } = options;
  const res = await fetch(silo.httpAddress + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await res.text();
  return { status: res.status, body: JSON.parse(text) as Record<string, unknown>, headers: res.headers };
}
