import type { FleetFile } from "../fleet-file.js";
import { quoteForShell, shortenPath } from "../paths.js";
import { DEFAULT_DATA_DIR } from "../settings.js";
import { formatTable, heading } from "../table.js";
import type { DemoData, DemoOrganization } from "./seed.js";

/** Everything that a person is told once a fleet serves. */
export interface FleetSummary {
  readonly fleet: FleetFile;
  readonly demo: DemoData;
  /** As it was given, for commands to copy. */
  readonly dataDir: string;
  readonly logsDir: string;
}

/** The one line of `--json`. */
export function formatSummaryJson({ fleet, demo, dataDir, logsDir }: FleetSummary): string {
  const silos = fleet.silos.map(({ name, rpcAddress, httpAddress, pid }) => ({ name, rpcAddress, httpAddress, pid }));
  return JSON.stringify({
    ready: true,
    mode: fleet.mode,
    dataDir,
    logsDir,
    silos,
    edges: fleet.edges,
    users: demo.users,
    organizations: demo.organizations,
  });
}

/** Tables of silos, routers, users and organizations, and commands to try. */
export function formatSummary(summary: FleetSummary, cwd: string): string {
  const { fleet, demo } = summary;
  const silos = fleet.silos.map((silo) => [
    silo.name,
    localityOf(fleet, silo.name),
    silo.httpAddress,
    silo.rpcAddress,
    String(silo.pid),
  ]);
  const parts = [formatTable([heading("silo", "locality", "http", "rpc", "pid"), ...silos], 2)];
  if (fleet.edges.length > 0) {
    const edges = fleet.edges.map(({ name, urls, httpAddress, pid }) => [
      name,
      urls.join(", "),
      httpAddress,
      String(pid),
    ]);
    parts.push(formatTable([heading("router", "serves", "health", "pid"), ...edges], 2));
  }
  if (demo.users.length > 0) {
    parts.push(formatTable([heading("user", "id"), ...demo.users.map((user) => [user.email, user.id])], 2));
  }
  if (demo.organizations.length > 0) {
    const organizations = demo.organizations.map((entry) => [entry.slug, entry.locality, entry.cell, entry.id]);
    parts.push(formatTable([heading("organization", "locality", "cell", "id"), ...organizations], 2));
    const dsns = demo.organizations.flatMap((entry) => toDsnRow(fleet, entry));
    if (dsns.length > 0) parts.push(formatTable([heading("events of", "DSN"), ...dsns], 2));
  }
  parts.push(["  Try, in another terminal:", ...examples(summary, cwd).map((command) => `    ${command}`)].join("\n"));
  parts.push(`  Logs: ${shortenPath(summary.logsDir, cwd)}/<silo>.log. Ctrl-C stops everything; the data stays.`);
  return parts.join("\n\n");
}

function localityOf(fleet: FleetFile, silo: string): string {
  if (fleet.mode === "monolith") return [...fleet.topology.localities.keys()].join(", ");
  return fleet.topology.cells.get(silo)?.locality ?? "-";
}

function examples({ fleet, demo, dataDir }: FleetSummary, cwd: string): string[] {
  const from = dataDir === DEFAULT_DATA_DIR ? "" : ` --data-dir ${quoteForShell(dataDir)}`;
  const last = demo.organizations.at(-1);
  if (last === undefined)
    return [
      `npx cellway cells list${from}`,
      `npx cellway call user.GetUser${from} --data '{"userId":"1"}'`,
      `curl ${fleet.silos[0]?.httpAddress}/readyz`,
    ];
  const data = `--data '{"slug":"${last.slug}"}'`;
  const method = "organization.GetOrganizationBySlug";
  const home = fleet.silos.find((silo) => silo.name === last.cell) ?? fleet.silos[0];
  const header = `-H "$(npx cellway token --method ${method} --silo ${home?.name}${from})"`;
  return [
    ...httpExamples({ fleet, demo }, cwd),
    ...eventExamples({ fleet, demo }),
    `npx cellway call ${method}${from} ${data} --verbose`,
    `npx cellway explain ${method}${from} ${data}`,
    `npx buf curl --http2-prior-knowledge --protocol grpc ${header} ${data} ${home?.rpcAddress}/cellway.organization.v1.OrganizationService/GetOrganizationBySlug`,
  ];
}

/** The same organization by the router of its locality and by control, which sends it on. */
function httpExamples({ fleet, demo }: Pick<FleetSummary, "fleet" | "demo">, cwd: string): string[] {
  const [organization] = demo.organizations;
  const headerFile = demo.users[0]?.headerFile;
  if (organization === undefined || headerFile === undefined) return [];
  const header = `-H @${quoteForShell(shortenPath(headerFile, cwd))}`;
  const path = `/api/0/organizations/${organization.slug}/`;
  const router = originOf(fleet, "locality-router", organization.locality);
  const origins = [router, fleet.silos[0]?.httpAddress.replace("127.0.0.1", "localhost")].filter(
    (origin) => origin !== undefined,
  );
  return origins.map((origin) => `curl ${header} ${origin}${path}`);
}

/** The address that the SDKs of a project are given. */
function toDsnRow(fleet: FleetFile, { slug, locality, project }: DemoOrganization): string[][] {
  const origin = originOf(fleet, "ingest-router", locality);
  if (project === undefined || origin === undefined) return [];
  return [[slug, `${origin.replace("://", `://${project.publicKey}@`)}/${project.id}`]];
}

/** An event, sent to a project by its DSN: the public key, at the ingest router of its locality. */
function eventExamples({ fleet, demo }: Pick<FleetSummary, "fleet" | "demo">): string[] {
  const organization = demo.organizations.find(({ project }) => project !== undefined);
  if (organization?.project === undefined) return [];
  const { id, publicKey } = organization.project;
  const origin = originOf(fleet, "ingest-router", organization.locality) ?? fleet.silos[0]?.httpAddress ?? "";
  return [`curl -d '{"message":"hello"}' ${origin.replace("://", `://${publicKey}@`)}/api/${id}/store/`];
}

function originOf({ edges }: FleetFile, kind: string, locality: string): string | undefined {
  const edge = edges.find((one) => one.kind === kind);
  return edge?.urls.find((url) => new URL(url).hostname.startsWith(`${locality}.`));
}
