import { createServer as createHttp1Server } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { connect } from "node:net";
import type { RunningRouter } from "@cellway/http";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MODULES } from "./modules.js";
import { sendRaw, statusOf } from "./raw-requests.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask, startRouter } from "./router-stage.js";
import { startTwoVersionServer } from "./two-version-server.js";

const CASES_OF_NPM_TEST = 3_000;
/** `npm run test:fuzz` sets it to 100,000. */
const CASES = Number(process.env["CELLWAY_FUZZ_CASES"] ?? CASES_OF_NPM_TEST);
const AT_ONCE = 25;
const ANSWER_MS = 20_000;
/** How long a router may think about bytes that are no request. */
const FRAMES_MS = 20;

let fleet: Fleet;
let writer: RouteWriter;
let router: RunningRouter;
let session: ClientHttp2Session;
const cells: Cell[] = [];
/** The cell of what names an organization, letter for letter. */
const cellOf = new Map<string, string>();

interface Cell {
  readonly address: string;
  stop(): Promise<void>;
}

/** Says its name to whatever it is asked, over both versions of HTTP. */
function startCell(name: string): Promise<Cell> {
  const http1 = createHttp1Server((req, res) => {
    req.resume();
    req.on("end", () => res.setHeader("x-served-by", name).end());
  });
  const http2 = createHttp2Server((req, res) => {
    req.resume();
    req.on("end", () => {
      res.setHeader("x-served-by", name);
      res.end();
    });
  });
  return startTwoVersionServer(http1, http2);
}

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  writer = new RouteWriter(fleet.control.databaseUrl);
  for (const name of ["us1", "us2", "de1"]) {
    const cell = await startCell(name);
    cells.push(cell);
    await announce(fleet, name, cell.address);
  }
  for (const [slug, cell] of [
    ["acme", "us1"],
    ["globex", "us2"],
    ["umlaut", "de1"],
  ] as const) {
    cellOf.set(slug, cell);
    cellOf.set(await writer.insert(slug, cell), cell);
  }
  router = await startRouter(fleet, { localities: ["us", "de"], staticRoutes: new Map([["/legacy/", "us2"]]) });
  await router.whenComplete;
}, 100_000);
afterAll(async () => {
  session?.destroy();
  await router?.stop({ graceMs: 100 });
  for (const cell of cells) await cell.stop();
  await writer?.close();
  await fleet?.stop();
});

interface Sent {
  readonly over: "HTTP/1.1" | "HTTP/2";
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const HOSTS = ["us.example.test", "US.Example.test:80", "us.example.test.", "de.example.test", "de.example.test:8100"];
const STRANGE_HOSTS = ["", "evil.test", "us.example.test@evil.test", "us.example.test,de.example.test", "[::1]", "*"];
const STRANGE_SEGMENTS = ["..", ".", "%2e%2e", "%2f", "", "ACME", "acme%00", "0", "00", "%", "\\", "{x}", "acme;a=b"];
const STRANGE_PATHS = [
  "*",
  "//acme",
  "http://de.example.test/api/0/organizations/umlaut/",
  "acme",
  "/legacy",
  "/metrics",
];
const text = fc.stringMatching(/^[\x21-\x7e]{0,20}$/);
const organization = () => fc.constantFrom(...cellOf.keys(), "nobody");
const rare = (...values: string[]) => fc.oneof(fc.constantFrom(...values), text);
const segment = () =>
  fc.oneof({ weight: 3, arbitrary: organization() }, { weight: 2, arbitrary: rare(...STRANGE_SEGMENTS) });
const segments = () => fc.array(segment(), { maxLength: 4 }).map((parts) => parts.join("/"));

function createPath(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.tuple(organization(), segments()).map(([name, rest]) => `/api/0/organizations/${name}/${rest}`),
    segments().map((rest) => `/api/0/organizations/${rest}`),
    fc.constantFrom("/acme.v1.Notes/Get", "/grpc.health.v1.Health/Check", "/a.b/c", "/.a/b", "/a.b/c/d", "/api.0/x"),
    segments().map((rest) => `/legacy/${rest}`),
    segments().map((rest) => `/${rest}`),
    fc.constantFrom(...STRANGE_PATHS),
  );
}

function createHeaders(): fc.Arbitrary<Record<string, string>> {
  const optional = (values: fc.Arbitrary<string>) => fc.option(values, { nil: undefined, freq: 2 });
  return fc
    .record({
      "cellway-organization": optional(
        fc.oneof(organization(), rare("acme, umlaut", "ACME", "../acme", "9".repeat(30))),
      ),
      "content-type": optional(
        fc.constantFrom("application/grpc", "application/grpc+proto", "application/connect+json", "a"),
      ),
      "x-cellway-cell": optional(fc.constantFrom("us1", "de1")),
      "x-forwarded-host": optional(fc.constantFrom(...HOSTS)),
      via: optional(fc.constantFrom("1.1 other", "1.1 us-router")),
      cookie: optional(text),
      upgrade: optional(fc.constantFrom("h2c", "websocket", "a")),
      "x-strange": optional(fc.stringMatching(/^[ -~\x80-\xff]{0,40}$/)),
    })
    .map(
      (all) =>
        Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>,
    );
}

const createSent = (): fc.Arbitrary<Sent> =>
  fc.record({
    over: fc.constantFrom("HTTP/1.1", "HTTP/2"),
    method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND"),
    host: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...HOSTS) },
      { weight: 1, arbitrary: rare(...STRANGE_HOSTS) },
    ),
    path: createPath(),
    headers: createHeaders(),
    body: fc.string({ maxLength: 50 }),
  });

interface Answered {
  /** 0 when the connection or stream ended without an answer. */
  readonly status: number;
  readonly cell: string | undefined;
}

async function sendHttp1({ method, host, path, headers, body }: Sent): Promise<Answered> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const upgrade = headers["upgrade"] === undefined ? "close" : "close, upgrade";
  const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${lines.join("")}connection: ${upgrade}\r\n`;
  const bytes = Buffer.concat([
    Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n`, "latin1"),
    Buffer.from(body),
  ]);
  const answer = await sendRaw(router.address, { route: path, localMode: "CELL", bytes, isFramed: true }, ANSWER_MS);
  return { status: statusOf(answer), cell: /^x-served-by: (.*)$/im.exec(answer)?.[1] };
}

function sendHttp2({ method, host, path, headers, body }: Sent): Promise<Answered> {
  if (session === undefined || session.closed || session.destroyed) {
    session = connectHttp2(router.address);
    session.on("error", () => {});
  }
  const { upgrade: _, ...rest } = headers;
  return new Promise((resolve, reject) => {
    let answered: Answered = { status: 0, cell: undefined };
    const stream = session.request(
      { ...rest, ":method": method, ":authority": host, ":path": path },
      { endStream: false },
    );
    const giveUp = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    stream.on("response", (said) => {
      answered = { status: said[":status"] ?? 0, cell: said["x-served-by"]?.toString() };
    });
    stream.on("error", () => {});
    stream.on("close", () => {
      clearTimeout(giveUp);
      resolve(answered);
    });
    stream.resume();
    stream.end(body);
  });
}

/** Runs `check` for so many things of a kind, some at a time. */
async function tryMany<T>(kind: fc.Arbitrary<T>, count: number, check: (one: T) => Promise<void>): Promise<void> {
  const all = fc.sample(kind, count);
  const worker = async () => {
    for (let one = all.pop(); one !== undefined; one = all.pop()) {
      try {
        await check(one);
      } catch (error) {
        throw new Error(`with ${JSON.stringify(one)}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The cells that may answer, by what a request says letter for letter. */
function mayAnswer({ host, path, headers }: Sent): (string | undefined)[] {
  const locality = /^(us|de)\.example\.test\.?(?::\d*)?$/i.exec(host)?.[1]?.toLowerCase();
  const [plain = ""] = path.split(/[?#]/, 1);
  const named = /^\/api\/0\/organizations\/([^/]+)/.exec(plain)?.[1];
  const isProcedure = /^\/\w+(\.\w+)+\/\w+$/.test(plain);
  const cell = plain.startsWith("/legacy/")
    ? "us2"
    : cellOf.get((isProcedure ? headers["cellway-organization"] : named) ?? "");
  return [undefined, cell?.startsWith(locality ?? "-") === true ? cell : undefined];
}

test("whatever is sent to a router, over both versions of HTTP, no answer is 500, and no cell answers for what is not its own", async () => {
  const seen = { served: 0, refused: 0, lost: 0 };
  await tryMany(createSent(), CASES, async (sent) => {
    const { status, cell } = await (sent.over === "HTTP/2" ? sendHttp2(sent) : sendHttp1(sent));
    expect(status).not.toBe(500);
    expect(mayAnswer(sent)).toContain(cell);
    seen[status === 0 ? "lost" : cell === undefined ? "refused" : "served"] += 1;
  });
  // That it was tried: of both kinds there are many, and few had no answer.
  expect(Math.min(seen.served, seen.refused)).toBeGreaterThan(CASES / 20);
  expect(seen.lost).toBeLessThan(CASES / 10);
  expect((await ask(router, "/api/0/organizations/acme/")).headers["x-served-by"]).toBe("us1");
}, 3_600_000);

const frame = fc
  .record({
    type: fc.integer({ min: 0, max: 12 }),
    flags: fc.oneof(fc.constantFrom(0, 1, 4, 5), fc.integer({ min: 0, max: 255 })),
    stream: fc.integer({ min: 0, max: 7 }),
    payload: fc.uint8Array({ maxLength: 60 }),
    // What it says of its length, beside the truth.
    excess: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 1_000_000 })),
  })
  .map(({ type, flags, stream, payload, excess }) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.byteLength + excess, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  });
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const frames = fc
  .tuple(fc.constantFrom(SETTINGS, Buffer.alloc(0)), fc.array(frame, { minLength: 1, maxLength: 8 }))
  .map(([first, others]) => Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), first, ...others]));

test("frames of HTTP/2 that make no sense end their connection at the most: the router serves on", async () => {
  const { hostname, port } = new URL(router.address);
  await tryMany(frames, CASES / 10, async (bytes) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const giveUp = setTimeout(() => socket.destroy(), FRAMES_MS);
    socket.on("error", () => {});
    socket.resume();
    await new Promise<void>((resolve) => {
      socket.on("close", () => resolve());
    });
    clearTimeout(giveUp);
  });
  expect((await ask(router, "/api/0/organizations/acme/")).headers["x-served-by"]).toBe("us1");
  const sent: Sent = {
    over: "HTTP/2",
    method: "GET",
    host: "us.example.test",
    path: "/api/0/organizations/acme/",
    headers: {},
    body: "",
  };
  expect(await sendHttp2(sent)).toEqual({ status: 200, cell: "us1" });
}, 3_600_000);
