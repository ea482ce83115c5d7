import { expect, test } from "@jest/globals";
import type { FleetMode } from "../fleet-file.js";
import { planFleet } from "./fleet-plan.js";
import { NO_DEMO_DATA } from "./seed.js";
import { type FleetSummary, formatSummary, formatSummaryJson } from "./summary.js";

const DEMO = {
  users: [{ email: "ada@example.com", id: "1", headerFile: "/srv/app/.cellway/keys/ada.header" }],
  organizations: [
    { slug: "acme", id: "11", locality: "us", cell: "us1", project: { id: "21", publicKey: "a".repeat(32) } },
    { slug: "globex", id: "12", locality: "de", cell: "de1" },
  ],
};

function summarize(mode: FleetMode, change: Partial<FleetSummary> = {}): FleetSummary {
  const plan = planFleet(mode, 8_000);
  const silos = plan.silos.map((silo, index) => ({
    ...silo,
    databaseUrl: "postgres://cellway:s3cret@/db",
    pid: 100 + index,
  }));
  const edges = plan.edges.map((edge, index) => ({ ...edge, pid: 200 + index }));
  const fleet = { mode, topology: plan.topology, keysFile: "/data/keys/master.keys", silos, edges };
  return { fleet, demo: DEMO, dataDir: ".cellway", logsDir: "/srv/app/.cellway/logs", ...change };
}

test("people see the silos, the routers, what is in them, commands for both and where the logs are", () => {
  const lines = formatSummary(summarize("siloed"), "/srv/app").split("\n");
  expect(lines.slice(0, 5)).toEqual([
    "  SILO     LOCALITY  HTTP                   RPC                    PID",
    "  control  -         http://127.0.0.1:8000  http://127.0.0.1:8001  100",
    "  us1      us        http://127.0.0.1:8010  http://127.0.0.1:8011  101",
    "  us2      us        http://127.0.0.1:8020  http://127.0.0.1:8021  102",
    "  de1      de        http://127.0.0.1:8030  http://127.0.0.1:8031  103",
  ]);
  expect(lines).toContain("  router  http://us.localhost:8100, http://de.localhost:8100  http://127.0.0.1:8101  200");
  expect(lines.filter((line) => line.startsWith("    curl "))).toEqual([
    "    curl -H @.cellway/keys/ada.header http://us.localhost:8100/api/0/organizations/acme/",
    "    curl -H @.cellway/keys/ada.header http://localhost:8000/api/0/organizations/acme/",
    `    curl -d '{"message":"hello"}' http://${"a".repeat(32)}@us.localhost:8102/api/21/store/`,
  ]);
  expect(lines).toContain(`  acme       http://${"a".repeat(32)}@us.localhost:8102/21`);
  expect(lines).toContain("  globex        de        de1   12");
  expect(lines.filter((line) => line.startsWith("    npx "))).toHaveLength(3);
  expect(lines.at(-1)).toBe("  Logs: .cellway/logs/<silo>.log. Ctrl-C stops everything; the data stays.");
});

test("the commands name the folder when it is not the usual one, and the silo that holds the organization", () => {
  const text = formatSummary(summarize("siloed", { dataDir: "my data" }), "/srv/app");
  expect(text).toContain(
    `npx cellway explain organization.GetOrganizationBySlug --data-dir 'my data' --data '{"slug":"globex"}'`,
  );
  expect(text).toContain("--silo de1");
  expect(formatSummary(summarize("monolith"), "/srv/app")).toContain("--silo monolith");
});

test("without demo data the commands still work", () => {
  const text = formatSummary(summarize("siloed", { demo: NO_DEMO_DATA }), "/srv/app");
  expect(text).not.toContain("ORGANIZATION");
  expect(text).toContain("npx cellway cells list");
  expect(text).toContain("curl http://127.0.0.1:8000/readyz");
});

test("the JSON is one line, and holds no address of a database", () => {
  const line = formatSummaryJson(summarize("siloed"));
  expect(line).not.toContain("\n");
  expect(line).not.toContain("s3cret");
  expect(JSON.parse(line)).toMatchObject({
    ready: true,
    mode: "siloed",
    silos: [
      { name: "control", rpcAddress: "http://127.0.0.1:8001", httpAddress: "http://127.0.0.1:8000", pid: 100 },
      {},
      {},
      {},
    ],
    organizations: DEMO.organizations,
    users: DEMO.users,
  });
});
