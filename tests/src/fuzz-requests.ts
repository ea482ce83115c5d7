import type { ServiceContext } from "@cellway/host";
import type { PublicRoute } from "@cellway/http";
import fc from "fast-check";
import type { FuzzRequest } from "./raw-requests.js";

/** What requests are made of. */
export interface FuzzWorld {
  readonly routes: readonly PublicRoute<ServiceContext>[];
  /** What names the caller's organization, and what is in it. */
  readonly own: readonly string[];
  /** The same of organizations that are not the caller's, in this cell and in others. */
  readonly foreign: readonly string[];
  /** Ids of things in own and in foreign organizations. */
  readonly ids: readonly string[];
  /** Accepted tokens of the caller. */
  readonly tokens: readonly string[];
}

const STRANGE = [
  "",
  "0",
  "00",
  "-1",
  "9223372036854775808",
  "__proto__",
  "constructor",
  "%",
  "%zz",
  "%00",
  "%2e%2e",
  "..",
  ".",
  "%2f",
].concat([
  "..%2f..%2f",
  "a%0d%0ab",
  "\\",
  "*",
  "{organization_id_or_slug}",
  "x".repeat(129),
  "ü",
  "%F0%9F%98%80",
  "%c0%ae",
]);
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "NONSENSE"];
const HOSTS = [
  "us.example.test",
  "de.example.test",
  "localhost",
  "127.0.0.1:1",
  "[::1]",
  "evil.test",
  "",
  "a b",
  "\u0000",
  "x".repeat(300),
];
const TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "text/plain",
  "application/x-www-form-urlencoded",
  "",
  "a/b",
];
const WORDS = [
  "acme",
  "core",
  "OWNER",
  "MEMBER",
  "ACTIVE",
  "us",
  "de",
  "someone@example.com",
  "org:read",
  "2030-01-01T00:00:00Z",
];

/** Characters that end no line: what a header or a path may hold without being another header. */
const line = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^[\x20-\x7e\xa0-\xff]{0,40}$/) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, ".")) },
);
const word = line.map((text) => text.replace(/ /g, "_"));

/** Requests for all routes: about half are such as a client sends, the others have something wrong in one place or in many. */
export function createFuzzRequests(world: FuzzWorld): fc.Arbitrary<FuzzRequest> {
  // Made once for each route: what is made for each request would take longer than the request.
  const headers = createHeaders(world);
  const targets = world.routes.map((route) =>
    fc.record({
      route: fc.constant(route),
      organization: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...world.own) },
        { weight: 3, arbitrary: fc.constantFrom(...world.foreign) },
        { weight: 2, arbitrary: fc.oneof(fc.constantFrom(...STRANGE), word) },
      ),
      value: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...world.ids) },
        { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...STRANGE, "test.option"), word) },
      ),
      query: fc.oneof(
        { weight: 5, arbitrary: fc.constant("") },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            "?per_page=1",
            "?per_page=-1",
            "?cursor=x",
            "?per_page=1&per_page=2",
            "?__proto__=1",
          ),
        },
        { weight: 1, arbitrary: word.map((text) => `?${text}`) },
      ),
      method: oftenJust(route.method, fc.constantFrom(...METHODS)),
      body: createBody(world, route),
      headers,
      framing: fc.oneof(
        { weight: 12, arbitrary: fc.constant("length" as const) },
        fc.constantFrom("chunked", "both", "twice", "short"),
      ),
      garbage: fc.oneof({ weight: 30, arbitrary: fc.constant(undefined) }, fc.uint8Array({ maxLength: 200 })),
    }),
  );
  return fc.oneof(...targets).map((parts) => toRequest(world, parts));
}

function oftenJust<T>(usual: T, rare: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: rare });
}

/** Often an object with the fields that the route names, with values of which some are right. */
function createBody(world: FuzzWorld, { body }: PublicRoute<ServiceContext>): fc.Arbitrary<Buffer | undefined> {
  const value = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom<unknown>(...world.ids, ...world.foreign, ...WORDS) },
    { weight: 1, arbitrary: fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>([], ["org:read"], {}, true, null, 0, -1, 1e308, "x".repeat(300)) },
  );
  const names = body !== undefined && "shape" in body ? Object.keys(body.shape as object) : [];
  const usual = Object.fromEntries(names.map((name) => [name, oftenUsual(world, name, value)]));
  const shaped = fc.oneof(
    { weight: 4, arbitrary: fc.record(usual, { requiredKeys: names.filter((name) => !OPTIONAL.has(name)) }) },
    { weight: 1, arbitrary: fc.record(usual, { requiredKeys: [] }) },
  );
  const text = fc.oneof(
    { weight: 8, arbitrary: shaped.map((json) => JSON.stringify(json)) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 5 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "{",
        "[".repeat(2_000),
        '{"__proto__":{"a":1}}',
        "\u0000",
        '{"a":1,"a":2}',
        "null",
        '"x"',
      ),
    },
  );
  const bytes = fc.oneof(
    { weight: 9, arbitrary: text.map((json) => Buffer.from(json)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((raw) => Buffer.from(raw)) },
  );
  const none = fc.constant(undefined);
  const [usually, rarely] = body === undefined ? [none, bytes] : [bytes, none];
  return fc.oneof({ weight: 8, arbitrary: usually }, { weight: 1, arbitrary: rarely });
}

function oftenUsual({ ids }: FuzzWorld, name: string, odd: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const slug = fc.stringMatching(/^[a-z][a-z0-9]{1,12}$/);
  const usual: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    slug,
    username: slug,
    email: slug.map((text) => `${text}@example.com`),
    locality: fc.constantFrom("us", "de"),
    team_id: fc.constant(ids[0]),
    scopes: fc.constant(["org:read"]),
    role: fc.constantFrom("MEMBER", "ADMIN"),
    default_role: fc.constant("MEMBER"),
    status: fc.constantFrom("ACTIVE", "DISABLED"),
    config: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
    avatar_url: fc.constant("https://example.com/a.png"),
    has_open_membership: fc.boolean(),
    requires_two_factor: fc.boolean(),
  };
  return fc.oneof({ weight: 8, arbitrary: usual[name] ?? slug }, { weight: 1, arbitrary: odd });
}

/** Fields that a body is right without. */
const OPTIONAL: ReadonlySet<string> = new Set(["expires_at", "platform", "avatar_url", "default_role", "role"]);

function createHeaders(world: FuzzWorld): fc.Arbitrary<readonly string[]> {
  const bearer = fc.constantFrom(...world.tokens).map((token) => `authorization: Bearer ${token}`);
  const oddBearer = fc.oneof(
    fc.constantFrom(
      "authorization: Bearer",
      "authorization: Basic YTpi",
      `authorization: Bearer cwu_${"x".repeat(43)}`,
      "x: y",
    ),
    line.map((text) => `authorization: Bearer ${text}`),
  );
  const odd = fc.oneof(
    fc.tuple(fc.stringMatching(/^[A-Za-z-]{1,12}$/), line).map(([name, text]) => `x-${name}: ${text}`),
    line.map((text) => `idempotency-key: ${text}`),
    fc.constantFrom("idempotency-key: one", "idempotency-key: two", "x-cellway-cell: us1", "x-cellway-route-epoch: 1"),
    fc.constantFrom(
      "x-forwarded-for: 10.0.0.1",
      "x-forwarded-host: evil.test",
      "forwarded: for=_x",
      "expect: 100-continue",
    ),
    fc.constantFrom(
      "cookie: cellway_session=x",
      "cookie: a=b; cellway_session=",
      "origin: http://evil.test",
      "accept: text/html",
    ),
    fc.constantFrom(
      "traceparent: 00-0-0-0",
      "x-request-id: a b",
      "x-http-method-override: DELETE",
      "upgrade: websocket",
      "te: trailers",
    ),
    line.map((text) => `cookie: cellway_session=${text}`),
    line.map((text) => `x-request-id: ${text}`),
    line,
  );
  return fc
    .tuple(
      oftenJust("us.example.test", fc.constantFrom(...HOSTS)).map((host) => `host: ${host}`),
      fc.oneof({ weight: 8, arbitrary: bearer }, { weight: 1, arbitrary: oddBearer }),
      oftenJust(TYPES[0] ?? "", fc.constantFrom(...TYPES)).map((type) => `content-type: ${type}`),
      fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(odd, { maxLength: 4 })),
    )
    .map(([host, authorization, type, others]) => [host, authorization, type, ...others]);
}

interface Parts {
  readonly route: PublicRoute<ServiceContext>;
  readonly organization: string;
  readonly value: string;
  readonly query: string;
  readonly method: string;
  readonly body: Buffer | undefined;
  readonly headers: readonly string[];
  readonly framing: string;
  readonly garbage: Uint8Array | undefined;
}

function toRequest({ own }: FuzzWorld, parts: Parts): FuzzRequest {
  const { route, organization, value, query, body, framing, garbage } = parts;
  const { name, localMode } = route;
  const isGone = name === "deleteOrganization" && own.includes(organization);
  // The caller's own organization must be there for the cases that follow.
  const method = isGone && parts.method === "DELETE" ? "GET" : parts.method;
  const path = route.path.replace(/\{([a-z_]+)\}/g, (_, parameter: string) =>
    parameter === "organization_id_or_slug" ? organization : value,
  );
  const hasBody = body !== undefined;
  const headers = hasBody ? parts.headers : parts.headers.filter((header) => !header.startsWith("content-type"));
  const head = [`${method} ${path}${query} HTTP/1.1`, ...headers, "connection: close"];
  const content = body ?? Buffer.alloc(0);
  const chunked = Buffer.concat([
    Buffer.from(`${content.byteLength.toString(16)}\r\n`),
    content,
    Buffer.from("\r\n0\r\n\r\n"),
  ]);
  const length = `content-length: ${content.byteLength}`;
  const framed: Record<string, [string[], Buffer]> = {
    length: [hasBody ? [length] : [], content],
    chunked: [["transfer-encoding: chunked"], content.byteLength === 0 ? Buffer.from("0\r\n\r\n") : chunked],
    both: [[length, "transfer-encoding: chunked"], content],
    twice: [[length, `content-length: ${content.byteLength + 1}`], content],
    short: [[`content-length: ${content.byteLength + 5}`], content],
  };
  const [lines, sent] = framed[framing] ?? [[], content];
  const whole = Buffer.concat([Buffer.from(`${[...head, ...lines].join("\r\n")}\r\n\r\n`, "latin1"), sent]);
  return {
    route: name,
    localMode,
    bytes: garbage === undefined ? whole : Buffer.from(garbage),
    isFramed: isFramed(parts),
  };
}

function isFramed({ framing, garbage }: Parts): boolean {
  return garbage === undefined && (framing === "length" || framing === "chunked");
}
