import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { methodPolicyOf } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let usOrganization: string;
let deOrganization: string;
let integrationId: string;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  const provision = async (slug: string, locality: string) => {
    const request = { requestId: slug, slug, name: slug, locality, ownerUserId: "1", ownerEmail: "o@example.com" };
    return (await fleet.client(DirectoryService).provisionOrganization(request)).organizationId;
  };
  usOrganization = await provision("acme", "us");
  deOrganization = await provision("globex", "de");
  const created = await fleet
    .client(IntegrationService)
    .createIntegration({ provider: "github", externalId: "1", name: "GitHub" });
  integrationId = created.integration?.id ?? "";
});
afterAll(() => fleet.stop());

test("a cell reads and installs for its own organization", async () => {
  const integrations = fleet.cell("us1").rpc.client(IntegrationService);
  await integrations.addOrganizationIntegration({ organizationId: usOrganization, integrationId });
  const { organizationIntegrations } = await integrations.listOrganizationIntegrations({
    organizationId: usOrganization,
  });
  expect(organizationIntegrations).toHaveLength(1);
});

test("a cell that asks about another cell's organization is refused, whatever it asks", async () => {
  const owned = [DirectoryService, IntegrationService, UserService].flatMap((service) =>
    service.methods.filter((method) => methodPolicyOf(method).readOwnedOrganizations !== undefined),
  );
  expect(owned.length).toBeGreaterThan(5);
  const { rpc } = fleet.cell("us1");
  const integrations = rpc.client(IntegrationService);
  const organizationId = deOrganization;
  const calls = [
    () => integrations.listOrganizationIntegrations({ organizationId }),
    () => integrations.getOrganizationIntegration({ organizationId, integrationId }),
    () => integrations.addOrganizationIntegration({ organizationId, integrationId }),
    () => integrations.removeOrganizationIntegration({ organizationId, integrationId }),
    () => integrations.getOrganizationContexts({ organizationId }),
    () => integrations.startGracePeriod({ organizationIds: [usOrganization, organizationId], provider: "github" }),
    () => rpc.client(DirectoryService).renameOrganization({ organizationId, slug: "taken-over" }),
    () => rpc.client(DirectoryService).syncOrganization({ organizationId, organizationDeleted: true }),
  ];
  for (const call of calls)
    expect(await failureOf(call())).toEqual({ code: Code.PermissionDenied, reason: "ORGANIZATION_NOT_OWNED" });
  expect((await fleet.client(OrganizationService).getOrganization({ organizationId })).organization?.id).toBe(
    organizationId,
  );
});

test("a cell lists its own organizations and no other cell's", async () => {
  const directory = fleet.cell("us1").rpc.client(DirectoryService);
  const { mappings } = await directory.listOrganizationMappings({ cellName: "us1" });
  expect(mappings.map((mapping) => mapping.slug)).toEqual(["acme"]);
  expect(await failureOf(directory.listOrganizationMappings({ cellName: "de1" }))).toEqual({
    code: Code.PermissionDenied,
    reason: "ORGANIZATION_NOT_OWNED",
  });
});

test("a cell may not call what is for control only", async () => {
  const { rpc } = fleet.cell("us1");
  const request = {
    requestId: "x",
    slug: "x-y",
    name: "X",
    locality: "us",
    ownerUserId: "1",
    ownerEmail: "x@example.com",
  };
  for (const call of [
    () => rpc.client(DirectoryService).provisionOrganization(request),
    () => rpc.client(UserService).deleteUser({ userId: "1" }),
    () => rpc.client(UserService).createApiToken({ userId: "1", name: "x", scopes: ["org:read"] }),
  ]) {
    expect(await failureOf(call())).toEqual({ code: Code.PermissionDenied, reason: "CALLER_NOT_ALLOWED" });
  }
});

test("a cell calls no other cell", async () => {
  const client = fleet.cell("us1").rpc.client(OrganizationService);
  // The service is local to a cell, so the call stays in us1, which does not have the organization.
  expect((await client.getOrganization({ organizationId: deOrganization })).organization).toBeUndefined();
});

test("a method that an operator switched off is refused by the caller's side and by the callee's", async () => {
  const organizations = fleet.client(OrganizationService);
  const call = () => organizations.getOrganization({ organizationId: deOrganization });
  const disabled = { code: Code.Unavailable, reason: "METHOD_DISABLED" };
  fleet.control.methodSwitch.replace(["organization.GetOrganization"]);
  expect(await failureOf(call())).toEqual(disabled);
  fleet.control.methodSwitch.replace([]);
  fleet.cell("de1").methodSwitch.replace(["organization.*"]);
  expect(await failureOf(call())).toEqual(disabled);
  fleet.cell("de1").methodSwitch.replace([]);
  expect((await call()).organization?.id).toBe(deOrganization);
});

test("an unmapped organization costs no network call", async () => {
  const sent: string[] = [];
  // What outboxes still deliver of the tests before is not sent for these calls.
  const note = ({ url }: { url: string }): void => void (url.includes("/cellway.outbox.") || sent.push(url));
  if (fleet.memory !== undefined) fleet.memory.onRequest = note;
  const organizations = fleet.client(OrganizationService);
  expect((await organizations.getOrganizationBySlug({ slug: "nobody" })).organization).toBeUndefined();
  expect(await failureOf(organizations.listTeams({ organizationId: "77" }))).toEqual({
    code: Code.NotFound,
    reason: "CELL_MAPPING_NOT_FOUND",
  });
  expect(sent).toEqual([]);
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
});

test("a cell that is down is UNAVAILABLE at once, and the error names it", async () => {
  fleet.memory?.down.add("http://de1.test:1");
  const failure = await fleet
    .client(OrganizationService)
    .getOrganization({ organizationId: deOrganization })
    .then(
      () => "answered",
      (error: unknown) => String(error),
    );
  expect(failure).toContain("de1");
  fleet.memory?.down.clear();
});
