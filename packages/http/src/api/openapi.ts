import { STATUS_CODES } from "node:http";
import { z } from "zod";
import { PROBLEM_TYPE } from "../problem.js";
import { remembersAnswers } from "./idempotency.js";
import type { FieldProblem, ProblemBody } from "./problem-error.js";
import { ORGANIZATION_PARAMETER, type PublicRoute } from "./route.js";
import { SESSION_COOKIE } from "./session-cookie.js";

type Json = Readonly<Record<string, unknown>>;

const SECURITY = "apiToken";
const SESSION_SECURITY = "session";

const KEY_PARAMETER: Json = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "The same key again, by the same user within a day, has no second effect and gives the same answer.",
  schema: { type: "string", minLength: 1, maxLength: 128 },
};

const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string().describe("Stable, for programs."),
  detail: z.string(),
  request_id: z.string(),
  errors: z
    .array(z.object({ field: z.string(), detail: z.string() }) satisfies z.ZodType<FieldProblem>)
    .readonly()
    .optional(),
  url: z.string().optional().describe("Where the request should go instead."),
}) satisfies z.ZodType<ProblemBody>;

/** The OpenAPI 3.1 document of routes, made of the schemas that validate. */
export function createOpenApiDocument(routes: readonly PublicRoute<never>[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = toOperation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Cellway",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description: `Organizations live in cells. {${ORGANIZATION_PARAMETER}} is an id when it is digits only.`,
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      securitySchemes: {
        [SECURITY]: { type: "http", scheme: "bearer" },
        [SESSION_SECURITY]: { type: "apiKey", in: "cookie", name: SESSION_COOKIE },
      },
      schemas: { Problem: toJsonSchema(problemSchema, "output") },
    },
  };
}

function toOperation(route: PublicRoute<never>): Json {
  const { name, summary, access, body, response, status = 200, deprecation } = route;
  return {
    operationId: name,
    summary,
    security: access.kind === "anyone" ? [] : [{ [SECURITY]: [] }, { [SESSION_SECURITY]: [] }],
    ...(deprecation === undefined ? {} : { deprecated: true }),
    parameters: [
      ...toParameters(route.params, "path"),
      ...(route.query ? toParameters(route.query, "query") : []),
      ...(takesKey(route) ? [KEY_PARAMETER] : []),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: toJsonSchema(body, "input") } } } }),
    responses: {
      [status]: {
        description: "Done.",
        content: { "application/json": { schema: toJsonSchema(response, "output") } },
      },
      ...Object.fromEntries(problemStatusesOf(route).map((problem) => [problem, toProblemResponse(problem)])),
    },
  };
}

/** What a client should be ready for; ranges such as 4XX are no types in the clients that most generators write. */
function problemStatusesOf(route: PublicRoute<never>): number[] {
  const { access, method, params } = route;
  return [
    400,
    ...(access.kind === "anyone" ? [] : [401, 403]),
    ...(Object.keys(params.shape).length === 0 ? [] : [404]),
    ...(method === "GET" ? [] : [409]),
    ...(takesKey(route) ? [422] : []),
    429,
    500,
    503,
    504,
  ];
}

function takesKey(route: PublicRoute<never>): boolean {
  return route.takesIdempotencyKey === true || remembersAnswers(route);
}

function toProblemResponse(status: number): Json {
  return {
    description: STATUS_CODES[status] ?? "",
    content: { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } },
  };
}

function toParameters(schema: z.ZodObject, place: "path" | "query"): Json[] {
  const { properties = {}, required = [] } = toJsonSchema(schema, "input") as {
    properties?: Record<string, Json>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

function toJsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: "draft-2020-12", unrepresentable: "any" });
  return rest;
}
