import { createHttpNetwork, DEFAULT_LIMITS, formatKeys } from "@cellway/rpc";
import { formatTopology } from "@cellway/silo";
import { type Fleet, startFleet, TEST_MASTER_KEY } from "@cellway/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { cellwayOf } from "./command-line.js";
import { MODULES } from "./modules.js";
import { createEdge } from "./route-feed.js";
import { RouteWriter } from "./route-writer.js";
import { announce, type CellListener, startCellListener, startRouter } from "./router-stage.js";

const OPERATOR_TOKEN = "the-token-of-an-operator-of-this-fleet";
const PUBLIC_KEY = "0123456789abcdef0123456789abcdef";

const network = createHttpNetwork(DEFAULT_LIMITS);
let fleet: Fleet;
let writer: RouteWriter;
let router: Awaited<ReturnType<typeof startRouter>>;
let cell: CellListener;
let acmeId: string;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, network: "sockets" });
  writer = new RouteWriter(fleet.control.databaseUrl);
  cell = await startCellListener("us1");
  for (const name of ["us1", "us2", "de1"]) await announce(fleet, name, cell.address);
  router = await startRouter(fleet, {
    rpc: createEdge(fleet, network),
    operatorToken: OPERATOR_TOKEN,
    staticRoutes: new Map([["/legacy/", "us1"]]),
  });
  await router.whenComplete;
});
afterAll(async () => {
  await router?.stop({ graceMs: 100 });
  await network.close();
  await cell?.stop();
  await writer?.close();
  await fleet?.stop();
});
beforeEach(async () => {
  await writer.clear();
  acmeId = await writer.insert("acme", "us1");
  await writer.insert("umlaut", "de1");
});

function explain(url: string, ...args: string[]) {
  const settings = {
    CELLWAY_TOPOLOGY: JSON.stringify(formatTopology(fleet.topology)),
    CELLWAY_RPC_KEYS: formatKeys([TEST_MASTER_KEY]),
    CELLWAY_EDGE_OPERATOR_TOKEN: OPERATOR_TOKEN,
  };
  return cellwayOf(settings, "explain", url, ...args);
}

async function explainJson(url: string, ...args: string[]) {
  const { stdout, stderr, code } = await explain(url, "--json", ...args);
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Record<string, unknown>) };
}

const withRouter = () => ["--router", router.address];

test("a URL of the API is explained by control, and by the router that is asked, and no cell hears of it", async () => {
  const url = `https://us.example.test/api/0/organizations/acme/teams/?cursor=1`;
  const { stdout, code } = await explain(url, ...withRouter());
  expect(code).toBe(0);
  expect(stdout).toMatch(/^rule +organization slug acme +organization slug acme$/m);
  expect(stdout).toMatch(/^cell +us1 +us1$/m);
  expect(stdout).toMatch(/^known from +the directory, now +(?:change|question|snapshot), .* ago$/m);
  expect(stdout).toContain("They agree.");
  expect(await explainJson(url, ...withRouter())).toMatchObject({
    code: 0,
    control: { outcome: "routed", cell: "us1", locality: "us", epoch: expect.any(Number), address: cell.address },
    router: { askedAt: router.address, explanation: { cell: "us1", epoch: expect.any(Number) } },
    differences: [],
  });
  expect(cell.asked).toEqual([]);
});

test("that a router is behind control is said, with exit code 1", async () => {
  const url = `https://us.example.test/api/0/organizations/${acmeId}/`;
  const lost = createHttpNetwork(DEFAULT_LIMITS);
  const behind = await startRouter(fleet, { rpc: createEdge(fleet, lost), operatorToken: OPERATOR_TOKEN });
  await behind.whenComplete;
  await lost.close();
  await writer.move(acmeId, "us2");
  const { code, stdout } = await explain(url, "--router", behind.address);
  await behind.stop({ graceMs: 100 });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^cell +us2 +us1$/m);
  expect(stdout).toContain("They differ: cell, epoch.");
});

test("a refusal of the router is its own to explain: another locality, a host that it does not serve, a path", async () => {
  const explained = (url: string) => explainJson(url, ...withRouter());
  expect(await explained("https://us.example.test/api/0/organizations/umlaut/")).toMatchObject({
    code: 0,
    control: { cell: "de1" },
    router: { refusal: { status: 421, url: "https://de.example.test/api/0/organizations/umlaut/" } },
  });
  expect(await explained("https://other.test/api/0/organizations/acme/")).toMatchObject({
    router: { refusal: { code: "HOST_UNKNOWN" } },
  });
  expect(await explained("https://us.example.test/api/0/organizations/acme/../x/")).toMatchObject({
    control: null,
    router: { refusal: { code: "PATH_AMBIGUOUS" } },
  });
  expect(await explained("https://us.example.test/api/0/organizations/nobody/")).toMatchObject({
    code: 0,
    control: { outcome: "absent" },
    router: { refusal: { code: "ORGANIZATION_NOT_FOUND" } },
  });
  expect(await explained("https://us.example.test/legacy/x")).toMatchObject({
    control: null,
    router: { explanation: { rule: "static route /legacy/", cell: "us1", epoch: null } },
  });
});

test("a DSN, and what its SDK sends to, are explained by their public key, whatever their host", async () => {
  await writer.addKey(acmeId, PUBLIC_KEY);
  for (const url of [
    `https://${PUBLIC_KEY}@o1.ingest.us.example.test/7`,
    `https://sentry.example.test/api/7/envelope/?sentry_key=${PUBLIC_KEY}`,
    `https://example.test/api/embed/error-page/?dsn=${encodeURIComponent(`https://${PUBLIC_KEY}@legacy.test/7`)}`,
  ]) {
    expect(await explainJson(url)).toMatchObject({
      control: { rule: "project key", key: PUBLIC_KEY, cell: "us1", organizationSlug: "acme" },
      router: null,
    });
  }
});

test("what cannot be asked says why: no such key, a router that is not there, a token that is not its own", async () => {
  expect((await explain("ftp://us.example.test/")).stderr).toContain("must be an http:// or https:// URL");
  expect((await explain("https://nobody@example.test/1")).stderr).toContain("nothing has such a key");
  const url = "https://us.example.test/api/0/organizations/acme/";
  expect((await explain(url, "--router", "http://127.0.0.1:1")).stderr).toContain("does not answer");
  const control = await explain(url, "--router", fleet.control.httpAddress);
  expect([control.code, control.stderr]).toEqual([1, expect.stringContaining("does not explain itself")]);
});
