import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceModule } from "@cellway/host";
import { createIngestModule, type IngestOptions } from "@cellway/ingest";
import { type RelayCredentials, type RelayKeys, signRelayRequest } from "@cellway/ingest-protocol";
import type { Fleet } from "@cellway/testing";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, until } from "./organizations.js";

/** A project with a key, and the cell that it is in. */
export interface TestProject {
  readonly organization: TestOrganization;
  readonly projectId: string;
  readonly keyId: string;
  readonly publicKey: string;
}

/** Every module, with an ingest endpoint that is told more. */
export function modulesWithIngest(options: IngestOptions): readonly ServiceModule[] {
  return MODULES.map((module) => (module.name === "ingest" ? createIngestModule(options) : module));
}

let counter = 0;

/** A project in an organization of its own. Control knows its key when `isTold`, as it does by default. */
export async function createTestProject(fleet: Fleet, cellName: string): Promise<TestProject> {
  const organization = await createOrganization(fleet, { cellName, ownerUserId: await createUser(fleet) });
  const project = await addProject(fleet, organization);
  await flushCell(fleet, organization);
  return project;
}

/** Another project with a key, made in the cell itself: control is not needed. */
export async function addProject(fleet: Fleet, organization: TestOrganization): Promise<TestProject> {
  counter += 1;
  const client = fleet.cell(organization.cellName).rpc.client(OrganizationService);
  const organizationId = organization.id;
  const { teams } = await client.listTeams({ organizationId });
  const slug = `project-${counter}`;
  const { project } = await client.createProject({ organizationId, teamId: teams[0]?.id ?? "", slug, name: slug });
  const projectId = project?.id ?? "";
  const { key } = await client.createProjectKey({ organizationId, projectId, label: "default" });
  return { organization, projectId, keyId: key?.id ?? "", publicKey: key?.publicKey ?? "" };
}

/** Waits until a cell has told control of everything in an organization, however long that takes on a loaded machine. */
export function flushCell(fleet: Fleet, { id, cellName }: TestOrganization): Promise<void> {
  const flush = () => fleet.cell(cellName).outbox("CELL").flush({ scope: OutboxScope.ORGANIZATION, shardId: id });
  const isFlushed = () =>
    flush().then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && error.name === "OutboxFlushError") return false;
        throw error;
      },
    );
  return until("control has been told", isFlushed, 30_000);
}

/** A Relay that tests ask as, and how cells know it. */
export function createTestRelay(): { credentials: RelayCredentials; keys: RelayKeys } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const id = randomUUID();
  return { credentials: { id, secretKey: privateKey }, keys: new Map<string, KeyObject>([[id, publicKey]]) };
}

/** An envelope with one event. */
export function createEnvelope(eventId: string, header: Record<string, unknown> = {}): string {
  const event = JSON.stringify({ event_id: eventId, message: "hello" });
  return `${JSON.stringify({ event_id: eventId, ...header })}\n{"type":"event","length":${event.length}}\n${event}\n`;
}

/** A new event's id. */
export function newEventId(): string {
  return randomUUID().replaceAll("-", "");
}

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** Of JSON; empty when it is none. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface Sending {
  readonly method?: string;
  /** The Host header. Default: that of the address. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Whether the end of the body is never sent. */
  readonly isHeld?: boolean;
}

/** Sends a request and reads its answer whole. */
export function send(address: string, path: string, sending: Sending = {}): Promise<Answer> {
  const { hostname, port, host } = new URL(address);
  const { method = "POST", body } = sending;
  const headers = { ...sending.headers, host: sending.host ?? host };
  return new Promise((resolve, reject) => {
    const req = request({ hostname, port, path, method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /^application\/(?:problem\+)?json/.test(res.headers["content-type"] ?? "");
        const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json });
      });
    });
    req.on("error", reject);
    if (sending.isHeld === true) req.write(body ?? "");
    else req.end(body);
  });
}

/** The header by which SDKs name their key. */
export function sentryAuth({ publicKey }: Pick<TestProject, "publicKey">): Record<string, string> {
  return { "x-sentry-auth": `Sentry sentry_version=7, sentry_client=test/1.0, sentry_key=${publicKey}` };
}

/** Asks for project configurations as a Relay. */
export function askConfigs(
  address: string,
  question: unknown,
  {
    relay,
    version = "3",
    host,
    nowMs = Date.now(),
  }: { relay: RelayCredentials; version?: string; host?: string; nowMs?: number },
): Promise<Answer> {
  const body = Buffer.from(typeof question === "string" ? question : JSON.stringify(question));
  return send(address, `/api/0/relays/projectconfigs/?version=${version}`, {
    body,
    headers: { "content-type": "application/json", ...signRelayRequest(relay, body, nowMs) },
    ...(host !== undefined && { host }),
  });
}

/** What a cell has stored for a project, oldest first. */
export async function storedFor(fleet: Fleet, { organization, projectId }: TestProject): Promise<StoredRow[]> {
  const sql = `select endpoint, replace(event_id::text, '-', '') as event_id, content_encoding, client, body
    from cell.envelope where project_id = $1 order by id`;
  return fleet.cell(organization.cellName).database("CELL").query<StoredRow[]>(sql, [projectId]);
}

interface StoredRow {
  readonly endpoint: string;
  readonly event_id: string | null;
  readonly content_encoding: string;
  readonly client: string;
  readonly body: Buffer;
}
