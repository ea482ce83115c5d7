import { Agent, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type GatewayStage, startGatewayStage } from "./gateway-stage.js";

const KEY = "0123456789abcdef0123456789abcdef";
const RUNS_OF_NPM_TEST = 5_000;
/** `npm run test:fuzz` sets it to 100,000. */
const RUNS = Number(process.env["CELLWAY_FUZZ_CASES"] ?? RUNS_OF_NPM_TEST);

let stage: GatewayStage;
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
beforeAll(async () => {
  stage = await startGatewayStage();
  await stage.reset();
  await stage.writer.addKey(stage.ids.umlaut, KEY);
  for (const name of ["us1", "us2", "de1"]) {
    stage.cell(name).listener = (req, res) => {
      res.setHeader("x-served-by", name);
      req.resume();
      req.on("end", () => res.end());
    };
  }
});
afterAll(async () => {
  agent.destroy();
  await stage?.stopCells();
  await stage?.stop();
});

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** The status, and the cell that answered; undefined for what node's own client does not send. */
function send({
  method,
  path,
  headers,
  body,
}: Sent): Promise<{ status: number; cell: string | undefined } | undefined> {
  const { hostname, port } = new URL(stage.fleet.control.httpAddress);
  return new Promise((resolve, reject) => {
    try {
      const options = {
        hostname,
        port,
        agent,
        method,
        path,
        headers: { ...headers, "content-length": Buffer.byteLength(body) },
      };
      const req = request(options, (res) => {
        res.resume();
        res.on("end", () => resolve({ status: res.statusCode ?? 0, cell: res.headers["x-served-by"]?.toString() }));
        res.on("error", reject);
      });
      req.on("error", (error: NodeJS.ErrnoException) => {
        // A connection that was kept may end just when it is used again, as after an answer that says so.
        if (error.code === "ECONNRESET" || error.code === "EPIPE") resolve(undefined);
        else reject(error);
      });
      req.end(body);
    } catch {
      resolve(undefined);
    }
  });
}

const segment = fc.oneof(
  fc.constantFrom(
    "acme",
    "globex",
    "umlaut",
    "nobody",
    "..",
    ".",
    "%2e%2e",
    "%2f",
    "",
    "ACME",
    "acme%00",
    "0",
    "api",
    "envelope",
  ),
  fc.string({ maxLength: 12 }).map(encodeURIComponent),
);
const path = fc.oneof(
  fc
    .tuple(fc.constantFrom("acme", "globex", "umlaut"), fc.array(segment, { maxLength: 2 }))
    .map(([organization, parts]) => `/api/0/organizations/${[organization, ...parts].join("/")}`),
  fc.constantFrom("envelope", "store", "security").map((endpoint) => `/api/7/${endpoint}/?sentry_key=${KEY}`),
  fc.array(segment, { maxLength: 5 }).map((parts) => `/api/0/organizations/${parts.join("/")}`),
  fc.tuple(segment, segment).map(([one, two]) => `/api/7/${one}/${two}?sentry_key=${KEY}`),
  fc.array(segment, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`),
  fc.webUrl().map((dsn) => `/api/embed/error-page/?dsn=${encodeURIComponent(dsn)}`),
);
const headers = fc.dictionary(
  fc.constantFrom(
    "host",
    "x-sentry-auth",
    "authorization",
    "x-cellway-cell",
    "x-forwarded-host",
    "x-request-id",
    "cookie",
    "connection",
  ),
  fc.oneof(
    fc.constantFrom("de.example.test", `Sentry sentry_key=${KEY}`, "close", "us1"),
    fc.stringMatching(/^[ -~]{0,20}$/),
  ),
  { maxKeys: 4 },
);
const sent: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"),
  path,
  headers: headers.map((all) => ({ host: "example.test", ...all })),
  body: fc.string({ maxLength: 50 }),
});

/** The cell that a path may reach: of its organization, as it stands there letter for letter. */
function cellOf({ path: target }: Sent): string | undefined {
  const [plain = ""] = target.split(/[?#]/, 1);
  if (/^\/api\/0\/issues\/[^/]+\/?$/.test(plain)) return "us1";
  if (plain.startsWith("/api/0/shared/") || plain.startsWith("/api/7/") || plain.startsWith("/api/embed/"))
    return "de1";
  const name = /^\/api\/0\/organizations\/([^/]+)/.exec(plain)?.[1] ?? "";
  return new Map([
    ["acme", "us1"],
    ["globex", "us2"],
    ["umlaut", "de1"],
  ]).get(name);
}

test("whatever is sent to control, no answer is 500, and no cell answers for an organization that is not its own", async () => {
  const seen = { served: 0, refused: 0, lost: 0 };
  const property = fc.asyncProperty(sent, async (one) => {
    const answer = await send(one);
    if (answer === undefined) {
      seen.lost += 1;
      return;
    }
    expect(answer.status).not.toBe(500);
    if (answer.cell !== undefined) expect(answer.cell).toBe(cellOf(one));
    seen[answer.cell === undefined ? "refused" : "served"] += 1;
  });
  await fc.assert(property, { numRuns: RUNS });
  // That it was tried: of both kinds there are many, and few were not sent or not answered.
  expect(Math.min(seen.served, seen.refused)).toBeGreaterThan(RUNS / 20);
  expect(seen.lost).toBeLessThan(RUNS / 10);
  expect((await stage.ask("/healthz")).status).toBe(200);
  expect((await stage.ask("/api/0/organizations/acme/")).headers["x-served-by"]).toBe("us1");
}, 3_600_000);
