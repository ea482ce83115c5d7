import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type ApiToken, UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import {
  createNotFoundProblem,
  defineRoute,
  hasScope,
  ProblemError,
  type PublicRoute,
  pageQuery,
  toPageRequest,
  userIdOf,
} from "@cellway/http";
import { z } from "zod";
import { showTime, showUser, userSchema } from "./show.js";

const tokenSchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  last_characters: z.string(),
  expires_at: z.iso.datetime().nullable(),
  last_used_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
});

const none = z.strictObject({});

const getOwnUser: PublicRoute<ServiceContext> = defineRoute({
  name: "getOwnUser",
  summary: "Shows whom the token speaks for.",
  method: "GET",
  path: "/api/0/users/me/",
  localMode: "CONTROL",
  access: { kind: "user" },
  params: none,
  response: userSchema,
  async handle({ context, principal }) {
    const { user } = await context.rpc.client(UserService).getUser({ userId: userIdOf(principal) });
    if (user === undefined) throw createNotFoundProblem();
    return { body: showUser(user) };
  },
});

const listApiTokens: PublicRoute<ServiceContext> = defineRoute({
  name: "listApiTokens",
  summary: "Lists the API tokens of whoever calls, without their secrets.",
  method: "GET",
  path: "/api/0/api-tokens/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "token:read" },
  params: none,
  query: pageQuery,
  response: z.array(tokenSchema),
  async handle({ context, principal, query }) {
    const client = context.rpc.client(UserService);
    const page = await client.listApiTokens({ userId: userIdOf(principal), ...toPageRequest(query) });
    return { body: page.apiTokens.map(showToken), nextCursor: page.nextPageToken };
  },
});

const createApiToken: PublicRoute<ServiceContext> = defineRoute({
  name: "createApiToken",
  summary: "Creates an API token with some of the scopes of the one that calls. The secret is shown once.",
  method: "POST",
  path: "/api/0/api-tokens/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "token:write" },
  params: none,
  body: z.strictObject({
    name: z.string().min(1).max(100),
    scopes: z
      .array(
        z
          .string()
          .max(64)
          .regex(/^[a-z][a-z0-9_-]*(?::[a-z][a-z0-9_-]*)*$/),
      )
      .max(50),
    expires_at: z.iso.datetime().optional(),
  }),
  response: z.object({ api_token: tokenSchema, token: z.string() }),
  status: 201,
  async handle({ context, principal, body }) {
    const missing = body.scopes.filter((scope) => principal === undefined || !hasScope(principal, scope));
    if (missing.length > 0) {
      throw new ProblemError(403, "SCOPE_MISSING", `The token itself does not have: ${missing.join(", ")}.`);
    }
    const { apiToken, token } = await context.rpc.client(UserService).createApiToken({
      userId: userIdOf(principal),
      name: body.name,
      scopes: [...new Set(body.scopes)],
      ...(body.expires_at === undefined ? {} : { expiresAt: timestampFromDate(new Date(body.expires_at)) }),
    });
    if (apiToken === undefined) throw createNotFoundProblem();
    return { body: { api_token: showToken(apiToken), token } };
  },
});

const revokeApiToken: PublicRoute<ServiceContext> = defineRoute({
  name: "revokeApiToken",
  summary: "Ends an API token of whoever calls; the same again changes nothing.",
  method: "DELETE",
  path: "/api/0/api-tokens/{token_id}/",
  localMode: "CONTROL",
  access: { kind: "user", scope: "token:write" },
  params: z.strictObject({ token_id: z.string().regex(/^[1-9][0-9]{0,17}$/, "must be an id: digits only") }),
  response: none,
  async handle({ context, principal, params }) {
    await context.rpc.client(UserService).revokeApiToken({ userId: userIdOf(principal), tokenId: params.token_id });
    return { body: {} };
  },
});

/** The public routes of users. */
export const userRoutes: readonly PublicRoute<ServiceContext>[] = [
  getOwnUser,
  listApiTokens,
  createApiToken,
  revokeApiToken,
];

function showToken(token: ApiToken): z.input<typeof tokenSchema> {
  const { id, name, scopes, lastCharacters, expiresAt, lastUsedAt, createdAt } = token;
  return {
    id,
    name,
    scopes,
    last_characters: lastCharacters,
    expires_at: showTime(expiresAt),
    last_used_at: showTime(lastUsedAt),
    created_at: showTime(createdAt) ?? "",
  };
}
